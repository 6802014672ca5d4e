//! A TCP proxy for devices: each connection goes to the next node that accepts it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// A TCP proxy in front of all nodes, until it is dropped.
pub struct Front {
    pub address: SocketAddr,
    _serving: JoinSet<()>,
}

impl Front {
    pub async fn start(nodes: Vec<SocketAddr>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address");
        let mut serving = JoinSet::new();
        serving.spawn(serve(listener, nodes.into()));
        Self { address, _serving: serving }
    }
}

async fn serve(listener: TcpListener, nodes: Arc<[SocketAddr]>) {
    let turn = Arc::new(AtomicUsize::new(0));
    let mut connections = JoinSet::new();
    while let Ok((mut device, _)) = listener.accept().await {
        let (nodes, turn) = (Arc::clone(&nodes), Arc::clone(&turn));
        connections.spawn(async move {
            // The connection is closed if no node accepts it.
            if let Some(mut node) = connect(&nodes, turn.fetch_add(1, Ordering::Relaxed)).await {
                copy_bidirectional(&mut device, &mut node).await.ok();
            }
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn connect(nodes: &[SocketAddr], first: usize) -> Option<TcpStream> {
    for offset in 0..nodes.len() {
        let node = nodes[(first + offset) % nodes.len()];
        if let Ok(stream) = TcpStream::connect(node).await {
            return Some(stream);
        }
    }
    None
}
