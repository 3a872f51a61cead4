//! The same answers for hickory-server's own listeners (DoT, DoQ, DoH).
//!
//! For programs that use this crate as a library: the daemon has its own listeners, which look at
//! packets before the codec does, and at who may hold a connection before the handshake.

use hickory_proto::{op::ResponseCode, rr::Record};
use hickory_server::{
    net::runtime::Time,
    server::{Request, RequestHandler, ResponseHandler, ResponseInfo},
    zone_handler::MessageResponseBuilder,
};

use super::{Store, reply::respond};

/// Answers requests that hickory-server has received, from our record table.
pub struct Handler {
    store: Store,
}

impl Handler {
    /// Answers from what `store` holds at each request.
    pub fn new(store: Store) -> Self {
        Self { store }
    }
}

#[async_trait::async_trait]
impl RequestHandler for Handler {
    async fn handle_request<R: ResponseHandler, T: Time>(
        &self,
        request: &Request,
        mut handle: R,
    ) -> ResponseInfo {
        let table = self.store.load_full();
        let name = request.queries.queries().first().map(|query| wire(query.name()));
        let response = respond(&table, request, &name.unwrap_or_default(), request.src());
        let none: [Record; 0] = [];
        let message = MessageResponseBuilder::new(&request.queries, response.edns.as_ref()).build(
            response.metadata,
            &response.answers,
            &response.authorities,
            &none,
            &none,
        );
        let sent = handle.send_response(message).await;
        sent.unwrap_or_else(|_| failed(response.metadata))
    }
}

/// A name in wire form; the codec has put it in lower case.
fn wire(name: &hickory_proto::rr::LowerName) -> Vec<u8> {
    let mut octets = Vec::with_capacity(name.len() + 1);
    for label in name.iter() {
        octets.push(label.len() as u8);
        octets.extend_from_slice(label);
    }
    octets.push(0);
    octets
}

/// What is reported of a response that could not be sent.
fn failed(mut metadata: hickory_proto::op::Metadata) -> ResponseInfo {
    metadata.response_code = ResponseCode::ServFail;
    hickory_proto::op::Header { metadata, counts: Default::default() }.into()
}
