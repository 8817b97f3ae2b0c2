//! One client's connection to the proxy: CONNECT opens a tunnel, a request with a URL is passed on.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use http::{Method, Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use moat_policy::{Port, Verdict};
use tokio::net::TcpStream;

use super::question::denial;
use super::session::{Place, Session, http1_builder};
use super::target::{self, Target};
use super::{refuse, tunnel};
use crate::connection::Shared;
use crate::http::{Body, RequestBody};
use crate::idle::Idle;

/// A tunnel that a client has asked for.
type Asked = Mutex<Option<(Target, OnUpgrade)>>;

/// Serves a connection to the proxy.
pub(crate) async fn serve(shared: Arc<Shared>, client: TcpStream, peer: IpAddr) {
    let session = Session::new(Arc::clone(&shared), peer, Place::Proxy);
    let asked: Arc<Asked> = Arc::default();
    let _ = client.set_nodelay(true);
    let (this, tunnel) = (Arc::clone(&session), Arc::clone(&asked));
    let answer = service_fn(move |request| {
        let (session, asked) = (Arc::clone(&this), Arc::clone(&tunnel));
        async move {
            Ok::<_, Infallible>(match *request.method() {
                Method::CONNECT => connect(&session, &asked, request),
                _ => session.answer(RequestBody::of(request)).await,
            })
        }
    });
    let serve = async {
        let stream = TokioIo::new(Idle::new(client, shared.limits.idle));
        session.note(http1_builder(&shared).serve_connection(stream, answer).with_upgrades().await);
        session.copy_upgrade().await;
    };
    session.guard(serve).await;
    let asked = asked.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some((target, upgrade)) = asked else { return };
    let Ok(upgraded) = upgrade.await else { return };
    if let Ok(parts) = upgraded.downcast::<TokioIo<Idle>>() {
        let stream = parts.io.into_inner().into_inner();
        tunnel::serve(shared, peer, target, stream, parts.read_buf).await;
    }
}

/// Decides about a tunnel by host and port. What passes in it is decided again.
fn connect(session: &Session, asked: &Asked, mut request: Request<Incoming>) -> Response<Body> {
    let target = match target::of_connect(&request) {
        Ok(target) => target,
        Err(error) => {
            session.attempt(None, None).deny(&session.shared, None, error.reason());
            return refuse::no_target(&error);
        }
    };
    let active = session.shared.rules.current();
    let is_read = target.port == Port::HTTP || active.policy.is_limited(&target.name, target.port);
    if !is_read && active.policy.decide(&target.name, target.port) == Verdict::Denied {
        let reason = denial(&active.policy, &target);
        session.attempt(Some(&target), None).deny(&session.shared, Some(&target.name), reason);
        return refuse::no_tunnel(&active.policy, &target);
    }
    let upgrade = hyper::upgrade::on(&mut request);
    *asked.lock().unwrap_or_else(PoisonError::into_inner) = Some((target, upgrade));
    Response::new(Empty::new().map_err(|never| match never {}).boxed())
}
