//! Who may use a cluster, and how the way there is encrypted.

#![allow(clippy::unwrap_used)]

use std::{fs, path::Path};

use end_to_end::{
    Call, gcd_jobs,
    nats::{Nats, Node},
};
use nix::sys::signal::Signal;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

/// Runs jobs on a node, both with the same credentials, and expects that without them, or with wrong ones, nothing goes.
fn expect_only(nats: &Nats, right: impl Fn(Call) -> Call, wrong: impl Fn(Call) -> Call) {
    let node = Node::start(right(nats.call(&["node", "-w", "1"])), &nats.path(""));
    let (jobs, expected) = gcd_jobs(10);
    let output = right(nats.call(&[])).stdin(jobs).run();
    assert_eq!((output.code(), output.text()), (0, &*expected), "{}", output.stderr);
    drop(node.end(Signal::SIGTERM));
    for output in [wrong(nats.call(&["node"])).run(), wrong(nats.call(&["cluster", "status"])).run()] {
        assert_eq!(output.code(), 4, "{}", output.stderr);
        assert!(output.stderr.contains("refuses the credentials"), "{}", output.stderr);
        assert!(!output.stderr.contains("sesame"), "{}", output.stderr);
    }
}

#[test]
fn a_user_with_a_password() {
    let Some(nats) = Nats::start_with(&["-js"], "authorization { user: ali, password: sesame }") else {
        return;
    };
    let file = nats.path("password");
    fs::write(&file, "sesame\n").unwrap();
    let user = |call: Call| call.with(|c| c.env("RUNNER_CLUSTER_USER", "ali"));
    let by_file = |call: Call| user(call).with(|c| c.arg("--cluster-password-file").arg(&file));
    let by_variable = |call: Call| user(call).with(|c| c.env("RUNNER_CLUSTER_PASSWORD", "sesame"));
    expect_only(&nats, by_file, |call| user(call).with(|c| c.env("RUNNER_CLUSTER_PASSWORD", "sesame2")));
    expect_only(&nats, by_variable, |call| call);
}

#[test]
fn a_token() {
    let Some(nats) = Nats::start_with(&["-js"], "authorization { token: sesame }") else { return };
    let token = |text: &'static str| move |call: Call| call.with(|c| c.env("RUNNER_CLUSTER_TOKEN", text));
    expect_only(&nats, token("sesame"), token("sesame2"));
}

#[test]
fn an_nkey() {
    let pair = nkeys::KeyPair::new_user();
    let configuration = format!("authorization {{ users: [ {{ nkey: {} }} ] }}", pair.public_key());
    let Some(nats) = Nats::start_with(&["-js"], &configuration) else { return };
    let write = |name: &str, pair: &nkeys::KeyPair| {
        fs::write(nats.path(name), pair.seed().unwrap()).unwrap();
        nats.path(name)
    };
    let (right, wrong) = (write("right", &pair), write("wrong", &nkeys::KeyPair::new_user()));
    let nkey = |path: &Path| {
        let path = path.to_owned();
        move |call: Call| call.with(|c| c.env("RUNNER_CLUSTER_NKEY", &path))
    };
    expect_only(&nats, nkey(&right), nkey(&wrong));
}

/// A certificate authority, a server that it knows, and a client.
fn write_certificates(folder: &Path) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let write = |name: &str, text: String| fs::write(folder.join(name), text).unwrap();
    write("ca.pem", authority.pem());
    for name in ["server", "client"] {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
        write(&format!("{name}.pem"), params.signed_by(&key, &authority).unwrap().pem());
        write(&format!("{name}.key"), key.serialize_pem());
    }
}

#[test]
fn encryption_with_certificates_on_both_sides() {
    let folder = tempfile::tempdir().unwrap();
    write_certificates(folder.path());
    let path = |name: &str| folder.path().join(name).display().to_string();
    let configuration = format!(
        "tls {{ cert_file: {:?}, key_file: {:?}, ca_file: {:?}, verify: true }}",
        path("server.pem"),
        path("server.key"),
        path("ca.pem")
    );
    let Some(nats) = Nats::start_with(&["-js"], &configuration) else { return };
    let nats = nats.encrypted();
    let trusting = |call: Call| call.with(|c| c.env("RUNNER_CLUSTER_CA", path("ca.pem")));
    let known = |call: Call| {
        let call = trusting(call).with(|c| c.env("RUNNER_CLUSTER_CERT", path("client.pem")));
        call.with(|c| c.env("RUNNER_CLUSTER_KEY", path("client.key")))
    };
    let node = Node::start(known(nats.call(&["node", "-w", "1"])), &nats.path(""));
    let (jobs, expected) = gcd_jobs(10);
    let output = known(nats.call(&[])).stdin(jobs).run();
    assert_eq!((output.code(), output.text()), (0, &*expected), "{}", output.stderr);
    drop(node.end(Signal::SIGTERM));
    // A server that nobody vouches for, and a client that the server does not know.
    for call in [nats.call(&["cluster", "status"]), trusting(nats.call(&["cluster", "status"]))] {
        let output = call.with(|c| c.args(["--cluster-timeout", "1"])).run();
        assert_eq!(output.code(), 4, "{}", output.stderr);
        assert!(!output.stderr.is_empty());
    }
}
