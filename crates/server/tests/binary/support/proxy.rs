//! nginx and Caddy as the documents configure them, between a client and the server.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::Stage;

/// A configuration in the documents.
#[derive(Debug, Clone, Copy)]
pub enum Documented {
    Nginx(&'static str),
    Caddy(&'static str),
    /// The file of the compose files, for nodes whose operator's listener is the main one.
    Compose,
}

pub const PROXIES: &str = include_str!("../../../../../docs/run/proxies.md");
pub const CLUSTER: &str = include_str!("../../../../../docs/run/cluster.md");
const COMPOSE: &str = include_str!("../../../../../packaging/compose/Caddyfile");

/// A proxy that runs.
pub struct Proxy {
    process: Child,
    pub base: String,
    pub address: SocketAddr,
    pub certificate: String,
}

impl Proxy {
    /// Starts it before a server at `upstream`. Beside addresses and the certificate's files nothing of the document is
    /// changed.
    pub async fn start(documented: Documented, stage: &Stage, port: u16, upstream: &str) -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("one");
        let chain = stage.write("proxy.pem", &made.cert.pem());
        let key = stage.write("proxy.key", &made.signing_key.serialize_pem());
        let mut command = match documented {
            Documented::Nginx(document) => {
                let text = fenced(document, "nginx");
                let files = ["ssl_certificate     ", "ssl_certificate_key "];
                let text = change(&text, files[0], ";", &chain);
                let text = change(&text, files[1], ";", &key);
                let text = change(&text, "listen ", " ssl;", &format!("127.0.0.1:{port}"));
                let text = upstreams(&text, upstream);
                stage.write("countersign.conf", &text);
                let all = stage.write("nginx.conf", NGINX);
                let mut command = Command::new(installed("nginx"));
                command.args(["-p", &stage.path("").display().to_string(), "-c", &all]);
                command.args(["-e", "stderr"]);
                command
            }
            Documented::Caddy(document) => {
                let text = fenced(document, "caddyfile");
                let site = format!("https://localhost:{port} {{\n    tls {chain} {key}");
                caddy(stage, &upstreams(&text.replacen("verify.example.com {", &site, 1), upstream))
            }
            Documented::Compose => {
                let (_, node) = upstream.rsplit_once(':').expect("a port");
                let text = change(COMPOSE, "health_port ", "\n", node);
                let text =
                    text.replacen("{$HOST} {", &format!("{{$HOST}} {{\n    tls {chain} {key}"), 1);
                let mut command = caddy(stage, &text);
                command.env("HOST", format!("https://localhost:{port}")).env("NODES", upstream);
                command
            }
        };
        let log = stage.path("proxy.log");
        command.stdout(Stdio::null()).stderr(std::fs::File::create(&log).expect("a file"));
        let process = command.spawn().expect("the proxy is installed");
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let base = format!("https://localhost:{port}");
        let mut proxy = Self { process, base, address, certificate: made.cert.pem() };
        for _ in 0..3_000 {
            if TcpStream::connect(address).await.is_ok() {
                return proxy;
            }
            let ended = proxy.process.try_wait().expect("it can be asked");
            let said = || std::fs::read_to_string(&log).unwrap_or_default();
            assert!(ended.is_none(), "{documented:?} has ended: {}", said());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{documented:?} does not listen");
    }

    /// A client with an address of its own.
    pub fn client(&self, from: Ipv4Addr) -> reqwest::Client {
        let root = reqwest::Certificate::from_pem(self.certificate.as_bytes()).expect("a root");
        let builder = reqwest::Client::builder().no_proxy().tls_certs_only([root]);
        let builder = builder.resolve("localhost", self.address).local_address(Some(from.into()));
        builder.redirect(reqwest::redirect::Policy::none()).build().expect("a client")
    }

    /// Asks for a WebSocket from an address; the status, and the connection.
    pub async fn upgrade(&self, from: Ipv4Addr, path: &str) -> (u16, TlsStream<TcpStream>) {
        let mut roots = RootCertStore::empty();
        let root = tokio_rustls::rustls::pki_types::CertificateDer::from_pem_slice(
            self.certificate.as_bytes(),
        );
        roots.add(root.expect("PEM")).expect("a root");
        let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind((from, 0).into()).expect("an address of this machine");
        let stream = socket.connect(self.address).await.expect("the proxy listens");
        let name = ServerName::try_from("localhost").expect("a name");
        let connector = TlsConnector::from(Arc::new(config));
        let mut stream = connector.connect(name, stream).await.expect("a handshake");
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.expect("written");
        let mut status = [0; 12];
        stream.read_exact(&mut status).await.expect("an answer");
        let status = std::str::from_utf8(&status[9..]).expect("text").parse().expect("a status");
        (status, stream)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        super::signal(self.process.id(), "TERM");
        let _ = self.process.wait();
    }
}

/// Caddy with a site that listens at nothing but its own address.
fn caddy(stage: &Stage, site: &str) -> Command {
    let global = "{\n    admin off\n    auto_https disable_redirects\n}\n";
    let file = stage.write("Caddyfile", &format!("{global}{site}"));
    let mut command = Command::new("caddy");
    command.args(["run", "--adapter", "caddyfile", "--config", &file]);
    command.env("XDG_DATA_HOME", stage.path("")).env("XDG_CONFIG_HOME", stage.path(""));
    command
}

/// A program in Debian's `/usr/sbin`, which is not in every user's path; elsewhere by its name.
fn installed(name: &str) -> PathBuf {
    let path = Path::new("/usr/sbin").join(name);
    if path.exists() { path } else { name.into() }
}

/// The `nginx.conf` that includes the documented part.
const NGINX: &str = "
daemon off;
user root root;
worker_processes 1;
pid nginx.pid;
events { worker_connections 512; }
http {
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    include countersign.conf;
}
";

/// The first block of a document that is in this language.
fn fenced(document: &str, language: &str) -> String {
    let (_, rest) = document.split_once(&format!("```{language}\n")).expect("it is documented");
    rest.split_once("```").expect("it ends").0.to_owned()
}

/// The text between two others, changed where it comes first.
fn change(text: &str, before: &str, after: &str, to: &str) -> String {
    let (start, rest) = text.split_once(before).unwrap_or_else(|| panic!("{before} in {text}"));
    let (_, end) = rest.split_once(after).unwrap_or_else(|| panic!("{after} in {text}"));
    format!("{start}{before}{to}{after}{end}")
}

/// Replaces every upstream that the document names by the running server.
fn upstreams(text: &str, upstream: &str) -> String {
    ["127.0.0.1:8080", "10.0.0.1:8080", "10.0.0.2:8080", "10.0.0.3:8080"]
        .iter()
        .fold(text.to_owned(), |text, documented| text.replace(documented, upstream))
}
