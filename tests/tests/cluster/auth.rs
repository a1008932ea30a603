//! Authentication and encryption of connections to a cluster.

use std::{fs, path::Path};

use end_to_end::{
    Call, gcd_jobs,
    nats::{Nats, Node, wait_until},
    runner, shell_jobs,
};
use nix::sys::signal::Signal;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

/// Checks that jobs run on a node with the right credentials, and that other credentials are rejected.
fn expect_only(nats: &Nats, right: impl Fn(Call) -> Call, wrong: impl Fn(Call) -> Call) {
    let node = Node::start(right(nats.call(&["node", "-w", "1"])), &nats.path(""));
    let (jobs, expected) = gcd_jobs(10);
    let output = right(nats.call(&[])).stdin(jobs).run();
    assert_eq!(output.code(), 0, "{}", output.stderr);
    assert_eq!(output.text(), &*expected, "{}", output.stderr);
    drop(node.end(Signal::SIGTERM));
    for output in [wrong(nats.call(&["node"])).run(), wrong(nats.call(&["cluster", "status"])).run()] {
        assert_eq!(output.code(), 4, "{}", output.stderr);
        assert!(output.stderr.contains("rejected the credentials"), "{}", output.stderr);
        assert!(!output.stderr.contains("sesame"), "{}", output.stderr);
    }
}

#[test]
fn authenticates_with_user_and_password() {
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
fn authenticates_with_a_token() {
    let Some(nats) = Nats::start_with(&["-js"], "authorization { token: sesame }") else { return };
    let token = |text: &'static str| move |call: Call| call.with(|c| c.env("RUNNER_CLUSTER_TOKEN", text));
    expect_only(&nats, token("sesame"), token("sesame2"));
}

#[test]
fn authenticates_with_an_nkey() {
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

/// Returns a JWT of the decentralized authentication of NATS, version 2, signed by its issuer.
fn jwt(issuer: &nkeys::KeyPair, subject: &str, claims: &serde_json::Value) -> String {
    let encode = |bytes: &[u8]| data_encoding::BASE64URL_NOPAD.encode(bytes);
    let header = serde_json::json!({"typ": "JWT", "alg": "ed25519-nkey"});
    let payload = serde_json::json!({
        "jti": subject, "iat": 1_700_000_000, "iss": issuer.public_key(),
        "name": "test", "sub": subject, "nats": claims,
    });
    let signed =
        format!("{}.{}", encode(header.to_string().as_bytes()), encode(payload.to_string().as_bytes()));
    let signature = issuer.sign(signed.as_bytes()).unwrap();
    format!("{signed}.{}", encode(&signature))
}

/// Returns a server configuration with an operator and two accounts signed by it; the second is the system
/// account.
fn resolver(operator: &nkeys::KeyPair, accounts: [&nkeys::KeyPair; 2]) -> String {
    let claims = serde_json::json!({"type": "operator", "version": 2});
    let limits = serde_json::json!({
        "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true,
        "conn": -1, "leaf": -1,
        "mem_storage": -1, "disk_storage": -1, "streams": -1, "consumer": -1,
    });
    let [account, system] = accounts.map(|account| {
        // The system account must not have streams.
        let limits = if account.public_key() == accounts[0].public_key() {
            limits.clone()
        } else {
            serde_json::json!({"subs": -1, "data": -1, "payload": -1, "conn": -1})
        };
        let claims = serde_json::json!({"type": "account", "version": 2, "limits": limits});
        format!("{}: {}", account.public_key(), jwt(operator, &account.public_key(), &claims))
    });
    format!(
        "operator: {}\nsystem_account: {}\nresolver: MEMORY\nresolver_preload: {{\n{account}\n{system}\n}}\n",
        jwt(operator, &operator.public_key(), &claims),
        accounts[1].public_key(),
    )
}

/// Writes a credentials file for a user of this account, as `nsc` does.
fn write_credentials(path: &Path, account: &nkeys::KeyPair) {
    let user = nkeys::KeyPair::new_user();
    let claims = serde_json::json!({"type": "user", "version": 2, "subs": -1, "data": -1, "payload": -1});
    let token = jwt(account, &user.public_key(), &claims);
    let seed = user.seed().unwrap();
    let text = format!(
        "-----BEGIN NATS USER JWT-----\n{token}\n------END NATS USER JWT------\n\n\
         -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
    );
    fs::write(path, text).unwrap();
}

#[test]
fn authenticates_with_a_credentials_file() {
    let operator = nkeys::KeyPair::new_operator();
    let [account, system, other] = std::array::from_fn(|_| nkeys::KeyPair::new_account());
    let configuration = resolver(&operator, [&account, &system]);
    let Some(nats) = Nats::start_with(&["-js"], &configuration) else { return };
    let (right, wrong) = (nats.path("right.creds"), nats.path("wrong.creds"));
    write_credentials(&right, &account);
    // Of an account that the operator has not signed.
    write_credentials(&wrong, &other);
    let file = |path: &Path| {
        let path = path.to_owned();
        move |call: Call| call.with(|c| c.env("RUNNER_CLUSTER_CREDS", &path))
    };
    expect_only(&nats, file(&right), file(&wrong));
    let option = |call: Call| call.with(|c| c.arg("--cluster-creds").arg(&right));
    expect_only(&nats, option, |call| call);
    fs::write(&wrong, "no credentials").unwrap();
    let output = file(&wrong)(nats.call(&["cluster", "status"])).run();
    assert_eq!(output.code(), 4, "{}", output.stderr);
    assert!(
        output.stderr.contains("cannot use") && output.stderr.contains("wrong.creds"),
        "{}",
        output.stderr
    );
}

/// Returns the content of a file in `/proc` for each of these processes.
fn readable(pids: &[i32], what: &str) -> String {
    let read =
        |pid: &i32| String::from_utf8_lossy(&fs::read(format!("/proc/{pid}/{what}")).unwrap()).into_owned();
    pids.iter().map(read).collect()
}

#[test]
fn secrets_are_not_exposed() {
    let password = "authorization { user: ali, password: sesame }";
    let user = |call: Call| call.with(|c| c.env("RUNNER_CLUSTER_USER", "ali"));
    let by_password = |secret: &'static str| {
        move |call: Call| user(call).with(|c| c.env("RUNNER_CLUSTER_PASSWORD", secret))
    };
    let by_token =
        |secret: &'static str| move |call: Call| call.with(|c| c.env("RUNNER_CLUSTER_TOKEN", secret));
    expect_not_exposed(password, by_password("sesame"), by_password("sesame2"));
    expect_not_exposed("authorization { token: sesame }", by_token("sesame"), by_token("sesame2"));
}

fn expect_not_exposed(configuration: &str, right: impl Fn(Call) -> Call, wrong: impl Fn(Call) -> Call) {
    let Some(nats) = Nats::start_with(&["-js"], configuration) else { return };
    let node = Node::start(right(nats.call(&["node", "-v", "-w", "1", "--allow-command"])), &nats.path(""));
    let run = right(nats.call(&["-v"])).stdin(shell_jobs(&["exec sleep 100"])).start();
    wait_until("the program has started", || !node.running.programs("sleep").is_empty());
    let all = node.running.processes();
    let others: Vec<i32> = all.iter().copied().filter(|&pid| pid != node.running.pid()).collect();
    assert!(others.len() >= 3, "a worker, its guard and the program: {others:?}");
    assert!(!readable(&others, "environ").contains("sesame"), "the secret is in the environment of a job");
    assert!(
        !readable(&[&all[..], &run.processes()].concat(), "cmdline").contains("sesame"),
        "the secret is in a command line"
    );
    // The log includes the messages about a lost connection.
    run.signal(Signal::SIGINT);
    let output = run.wait();
    assert_eq!(output.signal(), Signal::SIGINT as i32);
    let (_, log) = node.end(Signal::SIGTERM);
    let errors = [&["node", "-v", "-w", "1"][..], &["-v"]].map(|first| {
        let output = wrong(nats.call(first)).run();
        assert_eq!(output.code(), 4, "{}", output.stderr);
        output.stderr
    });
    for text in [&output.stderr, &log, &errors[0], &errors[1]] {
        assert!(!text.is_empty() && !text.contains("sesame"), "{text}");
    }
}

/// Writes certificates of an authority, a server and a client.
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
fn encrypts_with_certificates_on_both_sides() {
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
    let nats = nats.with_tls();
    let trusting = |call: Call| call.with(|c| c.env("RUNNER_CLUSTER_CA", path("ca.pem")));
    let known = |call: Call| {
        let call = trusting(call).with(|c| c.env("RUNNER_CLUSTER_CERT", path("client.pem")));
        call.with(|c| c.env("RUNNER_CLUSTER_KEY", path("client.key")))
    };
    let node = Node::start(known(nats.call(&["node", "-w", "1"])), &nats.path(""));
    let (jobs, expected) = gcd_jobs(10);
    let output = known(nats.call(&[])).stdin(jobs).run();
    assert_eq!(output.code(), 0, "{}", output.stderr);
    assert_eq!(output.text(), &*expected, "{}", output.stderr);
    drop(node.end(Signal::SIGTERM));
    // A server whose authority is not trusted, and a client without a certificate.
    for call in [nats.call(&["cluster", "status"]), trusting(nats.call(&["cluster", "status"]))] {
        let output = call.with(|c| c.args(["--cluster-timeout", "1"])).run();
        assert_eq!(output.code(), 4, "{}", output.stderr);
        assert!(!output.stderr.is_empty());
    }
}

#[test]
fn programs_do_not_inherit_secrets() {
    for executor in ["processes", "threads", "serial"] {
        let call = runner(["--allow-command", "--executor", executor]);
        let call = call.stdin(shell_jobs(&["printenv RUNNER_CLUSTER_TOKEN RUNNER_CLUSTER_PASSWORD"]));
        let secrets = [("RUNNER_CLUSTER_TOKEN", "sesame"), ("RUNNER_CLUSTER_PASSWORD", "sesame")];
        let output = call.with(|c| c.envs(secrets)).run();
        assert_eq!(output.records()[0]["result"]["exit_code"], 1, "{executor}: {}", output.text());
        assert!(!output.text().contains("sesame"), "{executor}: {}", output.text());
    }
}
