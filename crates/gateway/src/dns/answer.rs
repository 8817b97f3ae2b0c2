//! The answer to one query.

use std::net::{IpAddr, Ipv4Addr};

use hickory_resolver::proto::op::{Edns, Header, Message, MessageType, Metadata, OpCode, Query, ResponseCode};
use hickory_resolver::proto::rr::{DNSClass, RData, Record, RecordType};
use hickory_resolver::proto::serialize::binary::{BinDecodable, BinDecoder};
use moat_policy::HostName;

use crate::config::{Config, OwnName};
use crate::outer::Names;

/// A query that has been read.
pub(super) struct Asked {
    message: Message,
    /// `None`: it cannot be a host name.
    pub name: Option<HostName>,
}

/// What is known about a name.
#[derive(Debug, PartialEq, Eq)]
enum Known {
    Addresses(Vec<IpAddr>),
    /// No name of the run, and none that can be outside.
    Nothing,
    /// The engine's name server failed.
    Failure,
}

/// Short, since containers move.
const OWN_TTL: u32 = 5;

/// The gateway does not move while it lives, but a client may outlive it.
const OUTSIDE_TTL: u32 = 60;

/// A service has one; more would not fit into a small answer.
const ADDRESSES_MAX: usize = 8;

/// What every resolver can take without fragments.
const PAYLOAD: u16 = 1232;

/// Reads a query.
///
/// # Errors
/// The answer to an invalid query; `None`: no answer, for example to a response.
pub(super) fn read(packet: &[u8]) -> Result<Asked, Option<Vec<u8>>> {
    let Ok(message) = Message::from_vec(packet) else {
        return Err(header(packet).filter(is_query).and_then(|metadata| fault(&metadata, ResponseCode::FormErr)));
    };
    let metadata = &message.metadata;
    if metadata.message_type != MessageType::Query {
        return Err(None);
    }
    if metadata.op_code != OpCode::Query {
        return Err(fault(metadata, ResponseCode::NotImp));
    }
    match message.queries.as_slice() {
        [query] if query.query_class() == DNSClass::IN => {
            let name = query.name().to_ascii().parse().ok();
            Ok(Asked { message, name })
        }
        [_] => Err(fault(metadata, ResponseCode::Refused)),
        _ => Err(fault(metadata, ResponseCode::FormErr)),
    }
}

impl Asked {
    fn query(&self) -> Option<&Query> {
        self.message.queries.first()
    }

    /// Whether the name is one of the run.
    pub fn is_own(&self, config: &Config) -> bool {
        self.name.as_ref().is_some_and(|name| config.names.contains_key(name))
    }

    /// The answer. Asks the engine only for the address of a container.
    pub async fn answer(&self, config: &Config, engine: &Names) -> Option<Vec<u8>> {
        let (known, ttl) = match &self.name {
            None => (Known::Nothing, 0),
            Some(name) => match config.names.get(name) {
                Some(own) => (own_addresses(own, engine).await, OWN_TTL),
                None => (outside(name, config.address), OUTSIDE_TTL),
            },
        };
        self.response(known, ttl)
    }

    fn response(&self, known: Known, ttl: u32) -> Option<Vec<u8>> {
        let query = self.query()?;
        let mut metadata = Metadata::response_from_request(&self.message.metadata);
        metadata.recursion_available = true;
        let mut records = Vec::new();
        match known {
            Known::Nothing => metadata.response_code = ResponseCode::NXDomain,
            Known::Failure => metadata.response_code = ResponseCode::ServFail,
            // Of other types there is no record: not even of HTTPS and SVCB, which would lead past the server name.
            Known::Addresses(addresses) => {
                let data = addresses.into_iter().filter_map(|address| match (address, query.query_type()) {
                    (IpAddr::V4(address), RecordType::A) => Some(RData::A(address.into())),
                    (IpAddr::V6(address), RecordType::AAAA) => Some(RData::AAAA(address.into())),
                    _ => None,
                });
                records =
                    data.take(ADDRESSES_MAX).map(|data| Record::from_rdata(query.name().clone(), ttl, data)).collect();
            }
        }
        let mut response = Message::response(metadata.id, metadata.op_code);
        response.metadata = metadata;
        response.add_query(query.clone());
        response.add_answers(records);
        if self.message.edns.is_some() {
            let mut edns = Edns::new();
            edns.set_max_payload(PAYLOAD);
            response.set_edns(edns);
        }
        response.to_vec().ok()
    }
}

/// A name with one label is not outside: it is a typo, or a question that a search list has made.
fn outside(name: &HostName, gateway: Ipv4Addr) -> Known {
    if name.is_single_label() { Known::Nothing } else { Known::Addresses(vec![gateway.into()]) }
}

async fn own_addresses(own: &OwnName, engine: &Names) -> Known {
    match own {
        OwnName::Addresses(addresses) => Known::Addresses(addresses.clone()),
        OwnName::Container(name) => engine.lookup(name).await.map_or(Known::Failure, Known::Addresses),
    }
}

/// The header of a packet that is malformed after it.
fn header(packet: &[u8]) -> Option<Metadata> {
    Header::read(&mut BinDecoder::new(packet)).ok().map(|header| header.metadata)
}

/// Only a query is answered: two servers that answer each other's errors would never end.
fn is_query(metadata: &Metadata) -> bool {
    metadata.message_type == MessageType::Query
}

fn fault(metadata: &Metadata, code: ResponseCode) -> Option<Vec<u8>> {
    let mut response = Message::response(metadata.id, metadata.op_code);
    response.metadata.response_code = code;
    response.metadata.recursion_desired = metadata.recursion_desired;
    response.to_vec().ok()
}
