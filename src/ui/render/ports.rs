//! The ports of a sandbox as a table or JSON.

use serde::Serialize;

use crate::ui::encode;
use crate::ui::terminal::table;
use moat_docker::Published;
use moat_model::resource::Run;

#[derive(Debug, Serialize)]
struct Document<'a> {
    run: &'a str,
    agent: &'a str,
    ports: Vec<Port<'a>>,
}

#[derive(Debug, Serialize)]
#[expect(clippy::struct_field_names, reason = "the names are part of the JSON format")]
pub(in crate::ui) struct Port<'a> {
    container: &'a str,
    port: u16,
    protocol: &'a str,
    host_ip: Option<&'a str>,
    host_port: Option<u16>,
}

/// Returns one line for each port; empty without ports.
pub fn text(ports: &[(String, Published)]) -> String {
    let row = |(container, it): &(String, Published)| {
        let host = it.host.as_ref().map_or_else(|| "not published".to_owned(), |(ip, port)| address(ip, *port));
        [container.clone(), format!("{}/{}", it.port, it.protocol), host]
    };
    table::text(["CONTAINER", "PORT", "HOST"], &ports.iter().map(row).collect::<Vec<_>>())
}

/// Ends with a line feed.
pub fn json(run: &Run, ports: &[(String, Published)]) -> String {
    let ports = ports.iter().map(Port::of).collect();
    encode::json(&Document { run: run.id.as_str(), agent: run.agent.as_str(), ports })
}

impl<'a> Port<'a> {
    pub(in crate::ui) fn of((container, it): &'a (String, Published)) -> Self {
        Self {
            container,
            port: it.port,
            protocol: &it.protocol,
            host_ip: it.host.as_ref().map(|(ip, _)| ip.as_str()),
            host_port: it.host.as_ref().map(|(_, port)| *port),
        }
    }
}

/// Returns an address such as `127.0.0.1:8080` or `[::1]:8080`.
pub fn address(ip: &str, port: u16) -> String {
    if ip.contains(':') { format!("[{ip}]:{port}") } else { format!("{ip}:{port}") }
}
