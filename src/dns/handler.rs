//! The same answers for hickory-server's own listeners (DoT, DoQ, DoH).
//!
//! For programs that use this crate as a library: the daemon has its own listeners, which look at
//! packets before the codec does, and at who may hold a connection before the handshake.

use std::{cell::OnceCell, sync::Arc};

use hickory_proto::{op::ResponseCode, rr::Record};
use hickory_server::{
    net::runtime::Time,
    server::{Request, RequestHandler, ResponseHandler, ResponseInfo},
    zone_handler::MessageResponseBuilder,
};

use super::{
    Plane, Transport,
    general::{Encoded, respond},
    responder::{Packet, unix_secs},
    sift::{Sifted, sift},
};

/// Answers requests that hickory-server has received, from our record table.
pub struct Handler {
    plane: Arc<Plane>,
}

impl Handler {
    /// Answers from what `plane` holds at each request.
    pub fn new(plane: Arc<Plane>) -> Self {
        Self { plane }
    }
}

#[async_trait::async_trait]
impl RequestHandler for Handler {
    async fn handle_request<R: ResponseHandler, T: Time>(
        &self,
        request: &Request,
        mut handle: R,
    ) -> ResponseInfo {
        let table = self.plane.store.load_full();
        let octets = request.as_slice();
        let packet = Packet {
            octets,
            client: request.src(),
            transport: Transport::Tcp,
            unix_secs: unix_secs(),
            now: self.plane.clock.now(),
        };
        let responder = &self.plane.responder;
        let place = OnceCell::new();
        let response = match sift(octets) {
            Sifted::Pass(name, edns) => {
                respond(responder, &table, request, name.wire(), edns.as_ref(), &packet, &place)
            }
            Sifted::Reject(code) => Some(responder.refuse(code, None, None, &packet.asker())),
            Sifted::Drop(_) => None,
        };
        let failed = || responder.refuse(ResponseCode::FormErr, None, None, &packet.asker());
        let encoded = Encoded::new(&response.unwrap_or_else(failed), request);
        let none: [Record; 0] = [];
        let message = MessageResponseBuilder::new(&request.queries, encoded.edns.as_ref()).build(
            encoded.metadata,
            encoded.answers.iter(),
            encoded.authorities.iter(),
            &none,
            encoded.additionals.iter(),
        );
        let sent = handle.send_response(message).await;
        sent.unwrap_or_else(|_| unsent(encoded.metadata))
    }
}

/// What is reported of a response that could not be sent.
fn unsent(mut metadata: hickory_proto::op::Metadata) -> ResponseInfo {
    metadata.response_code = ResponseCode::ServFail;
    hickory_proto::op::Header { metadata, counts: Default::default() }.into()
}
