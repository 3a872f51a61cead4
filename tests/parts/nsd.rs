//! NSD; and probes over DNS against it.

use std::{fs, process::Command};

use super::{
    HERE, assert_fails, assert_passes,
    server::{Server, free_port, program},
};

/// An NSD with these zones, and its port; nothing where it is not installed.
pub(super) async fn serve(zones: &[(&str, &str)]) -> Option<(Server, u16)> {
    let program = program("nsd")?;
    let folder = tempfile::tempdir().expect("a folder");
    let (port, root) = (free_port(), folder.path().display().to_string());
    let mut config = format!(
        "server:\n ip-address: {HERE}@{port}\n username: \"\"\n chroot: \"\"\n zonesdir: \"{root}\"\n \
         pidfile: \"{root}/pid\"\n database: \"\"\n xfrdfile: \"{root}/xfrd\"\n \
         zonelistfile: \"{root}/zones\"\n server-count: 1\n\
         remote-control:\n control-enable: no\n"
    );
    for (name, zone) in zones {
        fs::write(folder.path().join(name), zone).expect("written");
        config += &format!("zone:\n name: {name}\n zonefile: {name}\n");
    }
    fs::write(folder.path().join("nsd.conf"), config).expect("written");
    let mut command = Command::new(program);
    command.arg("-d").arg("-c").arg(folder.path().join("nsd.conf"));
    Some((Server::start(folder, &mut command, port).await, port))
}

#[tokio::test]
async fn nsd_is_probed_by_udp_and_tcp() {
    let zone = "$ORIGIN example.test.\n$TTL 60\n@ SOA ns hostmaster 1 3600 600 86400 60\n\
                @ NS ns\nns A 192.0.2.53\nwww A 192.0.2.1\nwww A 192.0.2.2\ntxt TXT \"a b\"\n";
    let Some((_server, port)) = serve(&[("example.test", zone)]).await else { return };
    for by in ["false", "true"] {
        let dns = |more: &str| format!("probe.dns = {{ port = {port}, tcp = {by}, {more} }}");
        assert_passes(&dns("name = \"example.test\"")).await;
        assert_passes(&dns("name = \"www.example.test\", type = \"A\", data = \"192.0.2.2\""))
            .await;
        assert_passes(&dns("name = \"none.example.test\", rcode = \"NXDOMAIN\"")).await;
        assert_passes(&dns("name = \"elsewhere.test\", rcode = \"REFUSED\"")).await;
        let absent = dns("name = \"www.example.test\", type = \"A\", data = \"192.0.2.3\"");
        assert_fails(&absent, "192.0.2.1, 192.0.2.2 in its answer, expected 192.0.2.3").await;
        let none = dns("name = \"txt.example.test\", type = \"A\", data = \"192.0.2.1\"");
        assert_fails(&none, "no A in its answer").await;
        assert_passes(&dns(r#"name = "txt.example.test", type = "TXT", data = "a b""#)).await;
    }
}
