//! A witness that speaks the real protocol (c2sp.org/tlog-witness), and judges by other people's verifiers.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use countersign_tlog::cosignature::cosign;
use countersign_tlog::key::KeyKind;
use countersign_tlog::witness::{AddCheckpoint, SIZE_TYPE};
use countersign_tlog::{LogKey, VerifierKey};
use signed_note::{StandardVerifier, Verifier, VerifierList};
use tlog_tiles::tlog;

/// A witness, and what it saw last.
pub struct TestWitness {
    key: LogKey,
    log: Mutex<Option<String>>,
    seen: Mutex<(u64, tlog::Hash)>,
    /// The sizes that it has cosigned.
    pub cosigned: Mutex<Vec<u64>>,
}

impl TestWitness {
    /// Starts a witness; returns it and the setting that names it.
    pub async fn start() -> (Arc<Self>, String) {
        let key = LogKey::of_seed("witness.example/w1", KeyKind::Witness, &[9; 32]).unwrap();
        let public = key.public().to_string();
        let witness = Arc::new(Self {
            key,
            log: Mutex::default(),
            seen: Mutex::new((0, tlog::EMPTY_HASH)),
            cosigned: Mutex::default(),
        });
        let router =
            Router::new().route("/add-checkpoint", post(add)).with_state(Arc::clone(&witness));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (witness, format!("transparency.witnesses={url} {public}"))
    }

    pub const fn key(&self) -> &VerifierKey {
        self.key.public()
    }

    /// Registers the log.
    pub fn register(&self, log: &VerifierKey) {
        *self.log.lock().unwrap() = Some(log.to_string());
    }

    fn judge(&self, body: &str) -> Result<Response, StatusCode> {
        let request = AddCheckpoint::parse(body).map_err(|_| StatusCode::BAD_REQUEST)?;
        let log = self.log.lock().unwrap().clone().ok_or(StatusCode::NOT_FOUND)?;
        let verifier = StandardVerifier::new(&log).unwrap();
        let known = VerifierList::new(vec![Box::new(verifier) as Box<dyn Verifier>]);
        let note = signed_note::Note::from_bytes(request.checkpoint.to_string().as_bytes());
        let note = note.map_err(|_| StatusCode::BAD_REQUEST)?;
        note.verify(&known).map_err(|_| StatusCode::FORBIDDEN)?;
        let checkpoint = tlog_tiles::Checkpoint::from_bytes(note.text());
        let checkpoint = checkpoint.map_err(|_| StatusCode::BAD_REQUEST)?;
        let (size, root) = (checkpoint.size(), *checkpoint.hash());
        let mut seen = self.seen.lock().unwrap();
        if request.old != seen.0 {
            let headers = [(CONTENT_TYPE, SIZE_TYPE)];
            return Ok((StatusCode::CONFLICT, headers, format!("{}\n", seen.0)).into_response());
        }
        if seen.0 > 0 {
            let proof = request.proof.iter().map(|hash| tlog::Hash(hash.0)).collect();
            let checked = tlog::check_tree(&proof, size, root, seen.0, seen.1);
            checked.map_err(|_| StatusCode::UNPROCESSABLE_ENTITY)?;
        }
        *seen = (size, root);
        self.cosigned.lock().unwrap().push(size);
        Ok(cosign(&request.checkpoint.text, &self.key, 1_767_225_600).to_string().into_response())
    }
}

async fn add(State(witness): State<Arc<TestWitness>>, body: String) -> Response {
    witness.judge(&body).unwrap_or_else(axum::response::IntoResponse::into_response)
}
