//! After the demonstration: the server keeps serving, the phone keeps listening, and the reader has three commands to
//! paste.

use std::collections::HashMap;
use std::time::Duration;

use countersign_domain::world::Clock as _;
use countersign_phone::{Challenge, ChallengeStatus, Event, Phone, Prompt, Verdict};
use tokio::task::JoinSet;

use super::browser;
use super::participants::Participants;
use super::response::Created;
use super::timeline::short;
use crate::commands::phone::screen::{Card, Paint, plain};
use crate::wiring::Server;
use crate::world::SystemClock;

/// How long the person looks at a challenge: time enough to push it once more.
const ANSWER_DELAY: Duration = Duration::from_secs(15);
/// How long the challenge stays open that can be pushed again; the API allows an hour.
const OPEN_LIFETIME: Duration = Duration::from_secs(59 * 60);

/// Serves and answers until dropped.
pub(super) async fn keep_serving(
    participants: &Participants,
    server: &Server,
    console: &str,
    open_browser: bool,
) -> anyhow::Result<()> {
    let until = (SystemClock.now() + OPEN_LIFETIME).to_string();
    let open = participants.challenge("Still there?", &[("ExpirationDate", &until)]);
    let Created { sid: open } = participants.app.expect(&open, 201).await?.read()?;
    invite(participants, &open);
    if server.is_in_test_mode() {
        show_clock(participants);
    }
    let person = Person { phone: participants.phone.clone(), paint: participants.paint };
    browser::show_console(participants, console, open_browser);
    tokio::try_join!(browser::enrol_and_ask(participants, open_browser), person.run(&open))
        .map(|_| ())
}

fn invite(participants: &Participants, open: &str) {
    let title = |text: &str| println!("\n  {}\n", participants.paint.bold(text));
    println!(
        "\n{}",
        participants.paint.bold("Your turn. The server serves until Ctrl-C, and the phone is on.")
    );
    println!(
        "\n  account SID   {}\n  auth token    {}",
        participants.app.account,
        participants.app.token()
    );
    title("Ask the person something; the phone approves after a while");
    println!("{}", participants.app.curl(&participants.challenge("Is it you?", &[]), "  "));
    title("Push a challenge again; this one the phone leaves open");
    println!("{}", participants.app.curl(&participants.notify(open, 150), "  "));
    title("See the status of its pushes");
    println!("{}\n", participants.app.curl(&participants.notifications(open), "  "));
}

/// How to use test mode.
fn show_clock(participants: &Participants) {
    let Participants { app, paint, .. } = participants;
    println!("  {}\n", paint.bold("Let five minutes pass at once"));
    println!(
        "  curl --request PUT '{}/_test/clock' --data '{{\"advance_seconds\": 300}}'\n",
        app.base
    );
}

/// The person with the phone.
struct Person {
    phone: Phone,
    paint: Paint,
}

impl Person {
    /// Shows challenges as they arrive, and approves all but one, which stays open.
    async fn run(&self, stays_open: &str) -> anyhow::Result<()> {
        let mut listener = self.phone.listen();
        let mut pushes = HashMap::new();
        let mut answers = JoinSet::new();
        loop {
            tokio::select! {
                event = listener.next() => match event? {
                    Event::Linked(_) => self.note("the phone is connected"),
                    Event::Lost { error, again_in } => {
                        self.note(&format!("the phone is not connected ({error}); again in {again_in:.1?}"));
                    }
                    Event::Ended(_) => self.note("    answered on another device"),
                    Event::Prompt(prompt) => {
                        let count: &mut u32 = pushes.entry(prompt.challenge_sid.clone()).or_default();
                        *count += 1;
                        let shown = self.receive(&prompt, *count).await;
                        match shown {
                            Some(challenge) if challenge.sid == stays_open => self.note("    left open"),
                            Some(challenge) => {
                                self.note(&format!("    approves in {} s", ANSWER_DELAY.as_secs()));
                                answers.spawn(approve(self.phone.clone(), challenge));
                            }
                            None => {}
                        }
                    }
                },
                Some(answered) = answers.join_next() => self.tell(answered?),
            }
        }
    }

    /// Shows a challenge at its first push, and returns it if it needs an answer. Further pushes replace the first.
    async fn receive(&self, prompt: &Prompt, count: u32) -> Option<Challenge> {
        let sid = short(&prompt.notification_sid);
        println!();
        if count == 1 {
            self.note(&format!("push {sid}"));
            return self.show(prompt).await;
        }
        self.note(&format!("push {sid}, number {count} of: {}", plain(&prompt.message)));
        None
    }

    async fn show(&self, prompt: &Prompt) -> Option<Challenge> {
        match self.phone.challenge(&prompt.challenge_sid).await {
            Ok(challenge) => {
                println!("{}", Card::new(&self.phone, &challenge, self.paint));
                (challenge.status == ChallengeStatus::Pending).then_some(challenge)
            }
            Err(error) => {
                self.note(&format!("the phone cannot read {}: {error}", prompt.challenge_sid));
                None
            }
        }
    }

    fn tell(&self, (challenge, answered): Answered) {
        let (sid, message) = (short(&challenge.sid), plain(&challenge.message));
        match answered {
            Ok(answered) => println!("\n{sid} {}: {message}", self.paint.verdict(answered.status)),
            Err(error) => println!("\n{sid} {}: {error}", self.paint.bad("not answered")),
        }
    }

    fn note(&self, text: &str) {
        println!("{}", self.paint.dim(text));
    }
}

type Answered = (Challenge, Result<Challenge, countersign_phone::PhoneError>);

/// Waits a while and approves a challenge.
async fn approve(phone: Phone, challenge: Challenge) -> Answered {
    tokio::time::sleep(ANSWER_DELAY).await;
    let answered = phone.answer(&challenge.sid, Verdict::Approved).await;
    (challenge, answered)
}
