//! Attempts to reach other processes by sockets.

use std::{
    io,
    net::{TcpListener, TcpStream, UdpSocket},
    os::{
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr, UnixListener, UnixStream},
    },
};

use super::row::{Free, Result, Row, done, seccomp};

pub(super) const ROWS: &[Row] = &[
    seccomp("connect by TCP", |scene| tried(TcpStream::connect(("127.0.0.1", scene.port))), Free::Succeeds),
    seccomp("listen by TCP", |_| tried(TcpListener::bind("127.0.0.1:0")), Free::Succeeds),
    seccomp("send by UDP", |_| tried(UdpSocket::bind("127.0.0.1:0")), Free::Succeeds),
    seccomp(
        "connect to a Unix socket",
        |scene| tried(UnixStream::connect(scene.folder.join("socket"))),
        Free::Succeeds,
    ),
    seccomp("connect to an abstract Unix socket", |_| by_name(), Free::Fails(libc::ECONNREFUSED)),
    seccomp(
        "listen at a Unix socket",
        |scene| tried(UnixListener::bind(scene.folder.join("new-socket"))),
        Free::Succeeds,
    ),
    seccomp("talk to the kernel by netlink", |_| netlink(), Free::Succeeds),
];

fn tried<T>(result: io::Result<T>) -> Result {
    result.map(drop).map_err(|error| error.raw_os_error().unwrap_or(0))
}

fn by_name() -> Result {
    let name = SocketAddr::from_abstract_name(format!("runner-test-{}", std::process::id()));
    tried(name.and_then(|name| UnixStream::connect_addr(&name)))
}

fn netlink() -> Result {
    done(libc::SYS_socket, [libc::AF_NETLINK.into(), libc::SOCK_RAW.into(), 0])
}
