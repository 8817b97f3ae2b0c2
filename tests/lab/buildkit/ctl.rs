//! `buildctl`: the three questions that moat and its tests ask (`du`, `debug workers`, `debug histories`), with the output
//! and the exit codes of BuildKit's own (`cmd/buildctl`). Of templates it knows `{{json .}}` alone.

use crate::table;
use bollard_buildkit_proto::google::protobuf::Timestamp;
use bollard_buildkit_proto::moby::buildkit::v1::control_client::ControlClient;
use bollard_buildkit_proto::moby::buildkit::v1::types::WorkerRecord;
use bollard_buildkit_proto::moby::buildkit::v1::{
    BuildHistoryEvent, BuildHistoryRequest, DiskUsageRequest, ListWorkersRequest, UsageRecord,
};
use bollard_buildkit_proto::pb::Platform;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;
use tonic::transport::{Channel, Endpoint};

type Result<T> = std::result::Result<T, String>;

/// How long gRPC waits for a server that accepted the connection and says nothing.
const PATIENCE: Duration = Duration::from_secs(20);

/// What urfave/cli ends with when it does not know a command.
const UNKNOWN_COMMAND: u8 = 3;

pub async fn run(args: impl Iterator<Item = String>) -> Result<ExitCode> {
    let mut options = Options {
        addr: std::env::var("BUILDKIT_HOST")
            .ok()
            .filter(|addr| !addr.is_empty())
            .unwrap_or("unix:///run/buildkit/buildkitd.sock".into()),
        timeout: Duration::from_secs(5),
        verbose: false,
        json: false,
        filter: Vec::new(),
        command: Vec::new(),
    };
    options.parse(args)?;
    let command: Vec<&str> = options.command.iter().map(String::as_str).collect();
    match command[..] {
        ["du"] => disk_usage(&options).await?,
        ["debug", "workers"] => workers(&options).await?,
        ["debug", "histories"] => histories(&options).await?,
        _ => {
            eprintln!("No help topic for '{}'", command.join(" "));
            return Ok(ExitCode::from(UNKNOWN_COMMAND));
        }
    }
    Ok(ExitCode::SUCCESS)
}

struct Options {
    addr: String,
    timeout: Duration,
    verbose: bool,
    json: bool,
    filter: Vec<String>,
    command: Vec<String>,
}

impl Options {
    fn parse(&mut self, mut args: impl Iterator<Item = String>) -> Result<()> {
        while let Some(arg) = args.next() {
            let Some(flag) = arg.strip_prefix('-') else {
                self.command.push(arg);
                continue;
            };
            let flag = flag.strip_prefix('-').unwrap_or(flag);
            let (name, value) =
                flag.split_once('=').map_or((flag, None), |(name, value)| (name, Some(value.to_owned())));
            let mut value = || value.clone().or_else(|| args.next()).ok_or(format!("flag needs an argument: -{name}"));
            match (self.command.is_empty(), name) {
                (true, "addr") => self.addr = value()?,
                (true, "timeout") => {
                    self.timeout =
                        Duration::from_secs(value()?.parse().map_err(|e| format!("invalid value for -timeout: {e}"))?);
                }
                (true, "debug" | "wait") => {}
                (false, "verbose" | "v") => self.verbose = true,
                (false, "filter" | "f") => self.filter.push(value()?),
                (false, "format") => match value()?.as_str() {
                    "json" | "{{json .}}" => self.json = true,
                    other => {
                        return Err(format!("the lab's buildctl knows the format {{{{json .}}}} alone, not {other}"));
                    }
                },
                _ => return Err(format!("flag provided but not defined: -{name}")),
            }
        }
        Ok(())
    }

    async fn connect(&self) -> Result<ControlClient<Channel>> {
        let address = match self.addr.split_once("://") {
            Some(("tcp", host)) => format!("http://{host}"),
            Some(("unix", _)) => self.addr.clone(),
            _ => return Err(format!("invalid address {}", self.addr)),
        };
        let endpoint = Endpoint::new(address).map_err(|e| e.to_string())?.timeout(PATIENCE);
        let dialing = tokio::time::timeout(self.timeout, endpoint.connect()).await;
        let channel = match dialing {
            Ok(Ok(channel)) => channel,
            Ok(Err(error)) => return Err(unreachable(&self.addr, &causes(&error))),
            Err(_) => return Err(unreachable(&self.addr, "context deadline exceeded")),
        };
        // A build's history may carry whole Dockerfiles: no limit, as the real one has none worth the name.
        Ok(ControlClient::new(channel).max_decoding_message_size(usize::MAX))
    }
}

fn unreachable(addr: &str, why: &str) -> String {
    let (proto, target) = addr.split_once("://").unwrap_or(("", addr));
    format!("Unavailable: connection error: desc = \"transport: Error while dialing: dial {proto} {target}: {why}\"")
}

fn causes(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

fn status(what: &str) -> impl Fn(tonic::Status) -> String {
    move |status| format!("failed to {what}: {:?}: {}", status.code(), status.message())
}

async fn disk_usage(options: &Options) -> Result<()> {
    let request = DiskUsageRequest { filter: options.filter.clone(), ..Default::default() };
    let answer = options.connect().await?.disk_usage(request).await.map_err(status("call diskusage"))?;
    let mut records = answer.into_inner().record;
    records.sort_by(|a, b| (b.size, &b.id).cmp(&(a.size, &a.id)));
    if options.json {
        println!("{}", Value::Array(records.iter().map(usage_json).collect()));
        return Ok(());
    }
    if options.verbose {
        records.iter().for_each(print_usage);
    } else {
        let head = ["ID", "RECLAIMABLE", "SIZE", "LAST ACCESSED"].map(String::from).to_vec();
        table::print(&std::iter::once(head).chain(records.iter().map(usage_row)).collect::<Vec<_>>());
    }
    if options.filter.is_empty() {
        print_totals(&records);
    }
    Ok(())
}

fn usage_row(record: &UsageRecord) -> Vec<String> {
    let id = format!("{}{}", record.id, if record.mutable { "*" } else { "" });
    let size = format!("{}{}", table::bytes(record.size), if record.shared { "*" } else { "" });
    vec![format!("{id:<71}"), format!("{:<11}", !record.in_use), size, String::new()]
}

fn print_usage(record: &UsageRecord) {
    let mut rows = vec![("ID", record.id.clone())];
    if !record.parents.is_empty() {
        rows.push(("Parents", record.parents.join(";")));
    }
    rows.push(("Created at", time(record.created_at.as_ref()).unwrap_or_default()));
    rows.push(("Mutable", record.mutable.to_string()));
    rows.push(("Reclaimable", (!record.in_use).to_string()));
    rows.push(("Shared", record.shared.to_string()));
    rows.push(("Size", table::bytes(record.size)));
    if !record.description.is_empty() {
        rows.push(("Description", record.description.clone()));
    }
    rows.push(("Usage count", record.usage_count.to_string()));
    rows.extend(time(record.last_used_at.as_ref()).map(|at| ("Last used", at)));
    if !record.record_type.is_empty() {
        rows.push(("Type", record.record_type.clone()));
    }
    table::print(&rows.into_iter().map(|(key, value)| vec![format!("{key}:"), value]).collect::<Vec<_>>());
    println!();
}

fn print_totals(records: &[UsageRecord]) {
    let sum =
        |keep: fn(&&UsageRecord) -> bool| records.iter().filter(keep).map(|record| record.size.max(0)).sum::<i64>();
    let (total, shared) = (sum(|_| true), sum(|record| record.shared));
    let mut rows = Vec::new();
    if shared > 0 {
        rows.push(("Shared:", shared));
        rows.push(("Private:", total - shared));
    }
    rows.push(("Reclaimable:", sum(|record| !record.in_use)));
    rows.push(("Total:", total));
    table::print(&rows.into_iter().map(|(name, size)| vec![name.into(), table::bytes(size)]).collect::<Vec<_>>());
}

fn usage_json(record: &UsageRecord) -> Value {
    json!({
        "id": record.id, "mutable": record.mutable, "inUse": record.in_use, "size": record.size,
        "createdAt": time(record.created_at.as_ref()), "lastUsedAt": time(record.last_used_at.as_ref()),
        "usageCount": record.usage_count, "parents": if record.parents.is_empty() { Value::Null } else { json!(record.parents) },
        "description": record.description, "recordType": record.record_type, "shared": record.shared,
    })
}

async fn workers(options: &Options) -> Result<()> {
    let request = ListWorkersRequest { filter: options.filter.clone() };
    let answer =
        options.connect().await.map_err(|e| format!("failed to list workers: {e}"))?.list_workers(request).await;
    let workers = answer.map_err(status("list workers"))?.into_inner().record;
    if options.json {
        println!("{}", Value::Array(workers.iter().map(worker_json).collect()));
    } else if options.verbose {
        workers.iter().for_each(print_worker);
    } else {
        let rows = workers.iter().map(|worker| vec![worker.id.clone(), platforms(worker)]);
        table::print(&std::iter::once(vec!["ID".into(), "PLATFORMS".into()]).chain(rows).collect::<Vec<_>>());
    }
    Ok(())
}

fn print_worker(worker: &WorkerRecord) {
    let version = worker.buildkit_version.clone().unwrap_or_default();
    let row = |key: &str, value: String| vec![key.to_owned(), value];
    let mut rows = vec![row("ID:", worker.id.clone()), row("Platforms:", platforms(worker))];
    rows.push(row("BuildKit:", format!("{} {} {}", version.package, version.version, version.revision)));
    rows.push(vec!["Labels:".into()]);
    let labels: BTreeMap<_, _> = worker.labels.iter().collect();
    rows.extend(labels.into_iter().map(|(key, value)| vec![String::new(), format!("{key}:"), value.clone()]));
    table::print(&rows);
    println!();
}

fn platforms(worker: &WorkerRecord) -> String {
    worker.platforms.iter().map(platform).collect::<Vec<_>>().join(",")
}

fn platform(platform: &Platform) -> String {
    let parts = [&platform.os, &platform.architecture, &platform.variant];
    parts.into_iter().filter(|part| !part.is_empty()).cloned().collect::<Vec<_>>().join("/")
}

fn worker_json(worker: &WorkerRecord) -> Value {
    let platforms: Vec<Value> = worker
        .platforms
        .iter()
        .map(|p| json!({"architecture": p.architecture, "os": p.os, "variant": p.variant}))
        .collect();
    let version = worker.buildkit_version.clone().unwrap_or_default();
    let labels: BTreeMap<_, _> = worker.labels.iter().collect();
    json!({
        "id": worker.id, "labels": labels, "platforms": platforms,
        "buildkitVersion": {"package": version.package, "version": version.version, "revision": version.revision},
    })
}

async fn histories(options: &Options) -> Result<()> {
    let request = BuildHistoryRequest { early_exit: true, ..Default::default() };
    let answer = options.connect().await?.listen_build_history(request).await.map_err(status("list histories"))?;
    let mut stream = answer.into_inner();
    let mut rows = vec![["TYPE", "REF", "CREATED", "COMPLETED", "GENERATION", "PINNED"].map(String::from).to_vec()];
    while let Some(event) = stream.message().await.map_err(status("list histories"))? {
        if options.json {
            println!("{}", history_json(&event));
        } else {
            rows.push(history_row(&event));
        }
    }
    if !options.json {
        table::print(&rows);
    }
    Ok(())
}

fn history_row(event: &BuildHistoryEvent) -> Vec<String> {
    let record = event.record.clone().unwrap_or_default();
    let seconds =
        |at: Option<&Timestamp>| time(at.map(|at| Timestamp { nanos: 0, ..*at }).as_ref()).unwrap_or_default();
    let pinned = if record.pinned { "*" } else { "" };
    vec![
        event.r#type().as_str_name().into(),
        record.r#ref.clone(),
        seconds(record.created_at.as_ref()),
        seconds(record.completed_at.as_ref()),
        record.generation.to_string(),
        pinned.into(),
    ]
}

fn history_json(event: &BuildHistoryEvent) -> Value {
    let at = |at: Option<&Timestamp>| at.map(|at| json!({"seconds": at.seconds, "nanos": at.nanos}));
    let record = event.record.as_ref().map(|record| {
        json!({
            "Ref": record.r#ref, "Frontend": record.frontend, "CreatedAt": at(record.created_at.as_ref()),
            "CompletedAt": at(record.completed_at.as_ref()), "generation": record.generation,
            "numCachedSteps": record.num_cached_steps, "numTotalSteps": record.num_total_steps,
        })
    });
    json!({"type": event.r#type, "record": record})
}

/// RFC 3339 in UTC, with as many digits as it takes.
fn time(at: Option<&Timestamp>) -> Option<String> {
    jiff::Timestamp::new(at?.seconds, at?.nanos).ok().map(|at| at.to_string())
}
