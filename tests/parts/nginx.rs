//! Probes over HTTP, HTTPS and TLS against nginx.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::{
    HERE, assert_fails, assert_passes,
    pki::Signer,
    server::{Server, free_port, program},
};

/// nginx with two names on one address, each with a certificate of its own, and the signer of both.
async fn nginx(program: &Path) -> (Server, u16, u16, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let (plain, secured, root) = (free_port(), free_port(), folder.path().to_owned());
    let (signer, ca) = (Signer::new(), root.join("ca.pem"));
    fs::write(&ca, signer.pem()).expect("written");
    let mut servers = String::new();
    for (name, says) in [("default.test", "which one?"), ("api.test", "api is ready")] {
        let (certificate, key) = signer.certify(name);
        fs::write(root.join(format!("{name}.pem")), certificate).expect("written");
        fs::write(root.join(format!("{name}.key")), key).expect("written");
        servers.push_str(&format!(
            "server {{ listen {HERE}:{plain}; listen {HERE}:{secured} ssl http2;
               server_name {name}; ssl_certificate {name}.pem; ssl_certificate_key {name}.key;
               location = /healthz {{ return 200 \"{says}\"; }}
               location / {{ return 301 http://elsewhere.test/; }} }}\n"
        ));
    }
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|what| format!("{what}_temp_path {}/{what};\n", root.display()))
        .concat();
    let config = format!(
        "daemon off; master_process off; pid {0}/pid; error_log stderr;
         events {{}}\nhttp {{ access_log off;\n{temporary}{servers}}}\n",
        root.display()
    );
    fs::write(root.join("nginx.conf"), config).expect("written");
    let mut command = Command::new(program);
    command.arg("-p").arg(&root).arg("-c").arg(root.join("nginx.conf"));
    (Server::start(folder, &mut command, secured).await, plain, secured, ca)
}

#[tokio::test]
async fn nginx_is_probed_over_http_and_https_with_both_versions_and_by_name() {
    let Some(program) = program("nginx") else { return };
    let (_server, plain, secured, ca) = nginx(&program).await;
    let ca = ca.display();
    let http = format!("port = {plain}, host = \"api.test\", path = \"/healthz\"");
    assert_passes(&format!("probe.http = {{ {http}, body = \"api is ready\" }}")).await;
    assert_passes(&format!("probe.http = {{ {http}, method = \"HEAD\" }}")).await;
    let moved = http.replace("/healthz", "/");
    let moved = format!("probe.http = {{ {moved} }}");
    assert_fails(&moved, "status 301, expected 200").await;
    for more in ["http2 = false", "http2 = true"] {
        let https = format!(
            "port = {secured}, host = \"api.test\", path = \"/healthz\", ca = \"{ca}\", {more}"
        );
        let probe = format!("probe.https = {{ {https}, body_regex = '^api (is|was) ready$' }}");
        assert_passes(&probe).await;
        // The name of the certificate, and who answers, hang on what is asked for by SNI.
        let other = format!("probe.https = {{ {https}, server_name = \"www.test\" }}");
        assert_fails(&other, "no TLS with www.test").await;
    }
    assert_passes(&format!(
        "probe.tls = {{ port = {secured}, server_name = \"default.test\", ca = \"{ca}\" }}"
    ))
    .await;
    assert_fails(
        &format!("probe.tls = {{ port = {plain}, server_name = \"api.test\", ca = \"{ca}\" }}"),
        "no TLS with api.test",
    )
    .await;
}
