//! `countersign phone listen`: shows challenges as they arrive, and answers them.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use countersign_phone::{
    Approval, Challenge, ChallengeStatus, Ended, Event, Phone, PhoneError, Prompt, Verdict,
};
use tokio::signal::unix::{SignalKind, signal};

use super::errors::explain;
use super::inbox::{Arrival, Inbox};
use super::keys::{KEYS, Keys, NUMBER_KEYS};
use super::screen::{Card, Paint, plain, server_time};
use super::source::{ChallengeSource, POLL_INTERVAL, PhoneEvent, is_temporary};
use super::verification::verified;
use crate::cli;

/// The message about a challenge that another device has answered.
const ELSEWHERE: &str = "it was answered on another device";

/// The action on a challenge that is shown.
#[derive(Clone, Copy)]
enum AnswerMode {
    /// Give the same answer to all.
    Answer(Verdict),
    /// Ask the person.
    Ask,
    /// Nothing.
    Show,
}

/// Listens until interrupted.
pub(super) async fn run(phone: Phone, flags: &cli::Listen) -> anyhow::Result<()> {
    let (mut interrupt, mut terminate) =
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let mode = match (flags.approve_all, flags.deny_all) {
        (true, _) => AnswerMode::Answer(Verdict::Approved),
        (_, true) => AnswerMode::Answer(Verdict::Denied),
        _ if std::io::stdin().is_terminal() => AnswerMode::Ask,
        _ => AnswerMode::Show,
    };
    let keys = matches!(mode, AnswerMode::Ask).then(Keys::listen);
    let mut source = ChallengeSource::stream(&phone);
    if matches!(mode, AnswerMode::Show) {
        eprintln!(
            "standard input is no terminal: challenges are shown but not answered; see --approve-all and --deny-all"
        );
    }
    let mut session = ListenSession {
        phone,
        mode,
        verification: flags.verification,
        inbox: Inbox::default(),
        paint: Paint::of_stdout(),
        connected: false,
    };
    let ended = tokio::select! {
        ended = Box::pin(session.work(&mut source, keys)) => ended,
        _ = interrupt.recv() => Ok(()),
        _ = terminate.recv() => Ok(()),
    };
    source.close().await;
    ended
}

/// Sleeps for some seconds; forever for `None`.
async fn sleep_for(seconds: Option<i64>) {
    match seconds {
        None => std::future::pending().await,
        Some(seconds) => {
            tokio::time::sleep(Duration::from_secs(u64::try_from(seconds).unwrap_or(0))).await;
        }
    }
}

/// The input that the person may type for a challenge.
fn keys_of(challenge: &Challenge) -> &'static str {
    if challenge.presence.is_some() { NUMBER_KEYS } else { KEYS }
}

/// The state of a listening phone.
struct ListenSession {
    phone: Phone,
    mode: AnswerMode,
    verification: cli::Verification,
    inbox: Inbox,
    paint: Paint,
    connected: bool,
}

impl ListenSession {
    async fn work(
        &mut self,
        source: &mut ChallengeSource,
        mut keys: Option<Keys>,
    ) -> anyhow::Result<()> {
        let phone = self.phone.clone();
        loop {
            let expiry = self.inbox.next_expiry().map(|at| at - server_time(&phone));
            tokio::select! {
                event = source.next(&phone) => self.handle(event.map_err(explain)?).await,
                line = Keys::next(&mut keys) => self.handle_key(&line).await,
                () = sleep_for(expiry) => self.expire(),
            }
        }
    }

    async fn handle(&mut self, event: PhoneEvent) {
        match event {
            PhoneEvent::Stream(Event::Linked(_)) => {
                let again = if self.connected { " again" } else { "" };
                self.note(&format!("connected{again} as {}", self.phone.factor_sid()));
                self.connected = true;
                self.catch_up().await;
            }
            PhoneEvent::Stream(Event::Prompt(prompt)) => self.pushed(&prompt).await,
            PhoneEvent::Stream(Event::Ended(ended)) => self.ended(&ended),
            PhoneEvent::Stream(Event::Lost { error, again_in }) => {
                let wait = again_in.as_secs_f64();
                self.note(&format!("not connected ({:#}); again in {wait:.1} s", explain(error)));
            }
            PhoneEvent::NoStream => {
                let every = POLL_INTERVAL.as_secs();
                self.note(&format!(
                    "the server does not stream to this phone (platform none): polling every {every} s instead"
                ));
            }
            PhoneEvent::Pending(challenges) => self.pending(challenges).await,
            PhoneEvent::Failed(error) => {
                self.note(&format!("{:#}; retrying", explain(error)));
            }
        }
    }

    /// Shows the challenges that are pending when the phone connects.
    async fn catch_up(&mut self) {
        match self.phone.challenges(Some(ChallengeStatus::Pending)).await {
            Ok(challenges) => self.pending(challenges).await,
            Err(error) => {
                self.note(&format!("cannot read the pending challenges: {:#}", explain(error)));
            }
        }
    }

    async fn pending(&mut self, challenges: Vec<Challenge>) {
        for challenge in challenges {
            if !self.inbox.has_shown(&challenge.sid) {
                self.open(&challenge.sid, 0).await;
            }
        }
    }

    async fn pushed(&mut self, prompt: &Prompt) {
        match self.inbox.pushed(&prompt.challenge_sid) {
            Arrival::New => self.open(&prompt.challenge_sid, 1).await,
            Arrival::Known => {}
            Arrival::Again => self.note(&format!("asked again: {}", plain(&prompt.message))),
        }
    }

    /// Fetches a challenge, shows it, and handles it as the mode says.
    async fn open(&mut self, sid: &str, pushes: u32) {
        let challenge = match self.phone.challenge(sid).await {
            Ok(challenge) => challenge,
            Err(error) => {
                return self.note(&format!("cannot read {sid}: {:#}", explain(error)));
            }
        };
        self.inbox.show(&challenge, pushes);
        println!("\n{}", Card::new(&self.phone, &challenge, self.paint));
        match self.mode {
            _ if challenge.status != ChallengeStatus::Pending => self.over(&challenge),
            AnswerMode::Answer(Verdict::Approved) if challenge.presence.is_some() => {
                println!("    not approved: it asks for the number that the page shows");
            }
            AnswerMode::Answer(verdict) => self.answer(challenge, verdict, None).await,
            AnswerMode::Ask => match self.inbox.keep(challenge.clone()) {
                0 => println!("    {}", keys_of(&challenge)),
                before => println!("    {before} before it"),
            },
            AnswerMode::Show => {}
        }
    }

    fn over(&self, challenge: &Challenge) {
        if challenge.is_answered_elsewhere {
            println!("    {ELSEWHERE}");
        } else {
            println!("    it is {} already", self.paint.verdict(challenge.status));
        }
    }

    /// The prompt of a challenge is over.
    fn ended(&mut self, ended: &Ended) {
        let was_next = self.inbox.oldest().is_some_and(|next| next.sid == ended.challenge_sid);
        let Some(message) = self.inbox.end(&ended.challenge_sid) else { return };
        let why = match ended.reason.as_str() {
            "answered_elsewhere" => ELSEWHERE.to_owned(),
            other => format!("it is over: {}", plain(other)),
        };
        println!("\n  {}: {why}", plain(message));
        if was_next {
            self.show_next();
        }
    }

    /// Handles a line of input: a letter for the challenge that has waited longest.
    async fn handle_key(&mut self, line: &str) {
        let Some(challenge) = self.inbox.take() else {
            return self.note("nothing is open");
        };
        match (line.trim(), &challenge.presence) {
            ("a" | "A", None) => self.answer(challenge, Verdict::Approved, None).await,
            (number, Some(presence)) if presence.accepts(number) => {
                self.answer(challenge, Verdict::Approved, Some(number)).await;
            }
            ("d" | "D", _) => self.answer(challenge, Verdict::Denied, None).await,
            ("s" | "S", _) => {
                self.inbox.forget(&challenge.sid);
                println!("    skipped; it stays pending");
            }
            _ => {
                println!("    {}", keys_of(&challenge));
                return self.inbox.put_back(challenge);
            }
        }
        self.show_next();
    }

    async fn answer(&mut self, challenge: Challenge, verdict: Verdict, number: Option<&str>) {
        let began = Instant::now();
        let answered = match verdict {
            Verdict::Denied => self.phone.answer(&challenge.sid, verdict).await,
            Verdict::Approved => match verified(&challenge, self.verification) {
                Ok(is_user_verified) => {
                    self.phone.approve(&challenge.sid, Approval { number, is_user_verified }).await
                }
                Err(why) => {
                    println!("    {}: {why}", self.paint.bad("not answered"));
                    return self.keep_asking(challenge);
                }
            },
        };
        match answered {
            Ok(answered) => {
                let took = began.elapsed().as_secs_f64() * 1_000.0;
                println!("    {} in {took:.0} ms", self.paint.verdict(answered.status));
            }
            Err(PhoneError::NotPending(status)) => {
                println!("    it is {} already", self.paint.verdict(status));
            }
            Err(PhoneError::AnsweredElsewhere) => println!("    {ELSEWHERE}"),
            Err(error) => {
                // After a wrong number there may be another try. If not, that try says so.
                let may_stay = is_temporary(&error) || number.is_some();
                println!("    {}: {:#}", self.paint.bad("not answered"), explain(error));
                if may_stay {
                    self.keep_asking(challenge);
                }
            }
        }
    }

    /// Keeps a challenge open that was not answered, if somebody can try again.
    fn keep_asking(&mut self, challenge: Challenge) {
        if matches!(self.mode, AnswerMode::Ask) {
            self.inbox.put_back(challenge);
        }
    }

    fn expire(&mut self) {
        let over = self.inbox.expire(server_time(&self.phone));
        for challenge in &over {
            let message = plain(&challenge.message);
            println!("\n  {}: {message}", self.paint.verdict(ChallengeStatus::Expired));
        }
        if !over.is_empty() {
            self.show_next();
        }
    }

    /// Shows the next challenge to answer.
    fn show_next(&self) {
        if let Some(next) = self.inbox.oldest() {
            println!("\n{}\n    {}", Card::new(&self.phone, next, self.paint), keys_of(next));
        }
    }

    fn note(&self, text: &str) {
        println!("{}", self.paint.dim(text));
    }
}
