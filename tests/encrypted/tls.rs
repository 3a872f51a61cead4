//! DNS over TLS.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{
    QUESTIONS, Stage, assert_answered, assert_counted,
    common::client::{ask_over, framed, query, read},
};

#[tokio::test]
async fn questions_are_answered_one_after_the_other() {
    let stage = Stage::start().await;
    let mut stream = stage.shake(stage.tls(), b"dot", &stage.pair).await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(b"dot".as_slice()));
    let mut asked = Vec::new();
    for (name, kind) in QUESTIONS {
        asked.push(ask_over(&mut stream, name, kind).await);
    }
    assert_answered(&asked);
    assert_counted(&stage.metrics().await, "tls");
}

#[tokio::test]
async fn questions_may_be_sent_before_the_answers_are_read() {
    let stage = Stage::start().await;
    let mut stream = stage.shake(stage.tls(), b"dot", &stage.pair).await;
    let queries = QUESTIONS.map(|(name, kind)| query(name, kind));
    stream.write_all(&queries.each_ref().map(|query| framed(query)).concat()).await.expect("sent");
    let mut asked = Vec::new();
    for query in queries {
        let len = stream.read_u16().await.expect("a length");
        let mut reply = vec![0; len.into()];
        stream.read_exact(&mut reply).await.expect("a message");
        asked.push(read(&query, reply));
    }
    assert_answered(&asked);
}

#[tokio::test]
async fn what_is_no_question_is_refused_as_by_tcp() {
    let stage = Stage::start().await;
    let mut stream = stage.shake(stage.tls(), b"dot", &stage.pair).await;
    // NOTIFY, then a question count of 65,281.
    for (edit, code) in [((2, 0x20), 4), ((4, 0xff), 1)] {
        let mut packet = query("ns1.zone.test", "A");
        packet[edit.0] = edit.1;
        stream.write_all(&framed(&packet)).await.expect("sent");
        let len = stream.read_u16().await.expect("a length");
        let mut reply = vec![0; len.into()];
        stream.read_exact(&mut reply).await.expect("a message");
        assert_eq!((reply.len(), reply[3] & 0x0f), (12, code));
    }
    // A response gets nothing, and ends the connection.
    let mut packet = query("ns1.zone.test", "A");
    packet[2] |= 0x80;
    stream.write_all(&framed(&packet)).await.expect("sent");
    assert_eq!(stream.read(&mut [0]).await.expect("a farewell"), 0);
}

#[tokio::test]
async fn a_question_longer_than_any_ends_the_connection() {
    let stage = Stage::start().await;
    let mut stream = stage.shake(stage.tls(), b"dot", &stage.pair).await;
    stream.write_all(&4097_u16.to_be_bytes()).await.expect("sent");
    assert_eq!(stream.read(&mut [0]).await.expect("a farewell"), 0);
    let mut stream = stage.shake(stage.tls(), b"dot", &stage.pair).await;
    ask_over(&mut stream, "ns1.zone.test", "A").await;
}

#[tokio::test]
async fn a_padded_question_has_a_padded_answer() {
    let stage = Stage::start().await;
    let mut stream = stage.shake(stage.tls(), b"dot", &stage.pair).await;
    let plain = query("ns1.zone.test", "A");
    // An OPT record, the second time with 8 octets of padding.
    let opt = |data: &[u8]| {
        let head = [0, 0, 41, 4, 208, 0, 0, 0, 0, 0, data.len() as u8];
        let mut query = [plain.as_slice(), &head, data].concat();
        query[11] = 1;
        query
    };
    let padding = [0, 12, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0];
    for (query, is_padded) in [(opt(&[]), false), (opt(&padding), true)] {
        stream.write_all(&framed(&query)).await.expect("sent");
        let len = stream.read_u16().await.expect("a length");
        let mut reply = vec![0; len.into()];
        stream.read_exact(&mut reply).await.expect("a message");
        let asked = read(&query, reply);
        assert_eq!((asked.rcode.as_str(), asked.answers), ("NOERROR", 1));
        assert_eq!(asked.len == 468, is_padded, "{asked:?}");
    }
}
