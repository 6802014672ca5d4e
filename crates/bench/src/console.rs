//! `console`: whether every page of the console is quick over a long history of challenges.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use crate::bench::Bench;
use crate::fill::{HistorySize, fill};
use crate::grow::{database_in, make_something_to_copy};
use crate::http::{Connection, form, header};
use crate::population::Population;
use crate::report::say;
use crate::server::Server;
use crate::stats::Spread;

const PART: &str = "console";
/// Loads of each page, after one that warms the caches.
const LOADS: usize = 11;
/// The longest that half of the loads of a page may take.
const SLOWEST: Duration = Duration::from_millis(100);

/// Fills a database, and loads each page. A page that is slower than [`SLOWEST`] is a fault, unless the scale is tiny.
pub(crate) async fn run(bench: &mut Bench) -> Result<()> {
    let past = HistorySize {
        entities: bench.scale.old_entities,
        notifications: bench.scale.old_challenges,
        per_challenge: 1,
    };
    let (server, folder) = bench.fresh_server().await?;
    let account = bench.installation.account_sid();
    let population = Arc::new(Population::enrol(&server, account, 1).await?);
    make_something_to_copy(&server, &population).await?;
    server.kill();
    let database = database_in(&folder.path().join("data"))?;
    let begin = Instant::now();
    tokio::task::spawn_blocking(move || fill(&database, past)).await??;
    say(&format!("{PART}: filled in {:.0} s", begin.elapsed().as_secs_f64()));
    for _ in 0..bench.scale.repeats {
        measure(bench, &population, folder.path()).await?;
    }
    Ok(())
}

async fn measure(bench: &mut Bench, population: &Population, folder: &Path) -> Result<()> {
    let mut server = bench.installation.start(folder).await?;
    let mut operator = Operator::sign_in(bench, &server).await?;
    for path in pages(&mut operator, population).await? {
        operator.load(&path).await?;
        let mut took = Vec::new();
        for _ in 0..LOADS {
            let begin = Instant::now();
            operator.load(&path).await?;
            took.push(begin.elapsed().as_secs_f64() * 1e3);
        }
        let spread = Spread::of(&took).context("no load")?;
        let name = named(&path);
        let readings = [("p50 ms", spread.median), ("max ms", spread.most)];
        bench.report.add(PART, &name, &readings);
        if bench.scale.is_judged && spread.median > SLOWEST.as_secs_f64() * 1e3 {
            let (median, most) = (spread.median, SLOWEST.as_millis());
            bench.report.fault(format!("{PART}: {name} takes {median:.0} ms, more than {most}"));
        }
    }
    server.still_runs()
}

/// A path without SIDs and identities, which differ in each run.
fn named(path: &str) -> String {
    let part = |part: &str| {
        let is_own = part.len() > 15 && part.bytes().any(|byte| byte.is_ascii_digit());
        if is_own { "…".to_owned() } else { part.to_owned() }
    };
    let parts = path.split('/').map(|rest| rest.split('=').map(part).collect::<Vec<_>>().join("="));
    parts.collect::<Vec<_>>().join("/")
}

/// The paths of all pages, of resources that the history holds.
async fn pages(operator: &mut Operator, population: &Population) -> Result<Vec<String>> {
    let service = population.service_path().replace("/v2/Services", "/console/services");
    let timeline = operator.load("/console/timeline").await?;
    let challenge = link(&timeline, "/console/challenges/")?;
    let person = link(&operator.load(&service).await?, &format!("{service}/people/"))?;
    let sought = person.rsplit('/').next().and_then(|identity| identity.get(..8));
    let sought = sought.context("an identity")?;
    let general =
        ["", "?range=month", "/timeline", "/services", "/credentials", "/webhooks", "/api-keys"];
    let others = ["/audit", "/operators", "/sessions", "/enrol", "/search"];
    // Filters that match almost nothing, so that the page reads far back.
    let filters = ["status=denied", "message=Nothing", "platform=apn", "code=52001"];
    let mut pages: Vec<_> =
        general.iter().chain(&others).map(|path| format!("/console{path}")).collect();
    pages.extend(filters.map(|filter| format!("/console/timeline?{filter}")));
    for text in [sought, "Log", "YC", "NT0123456789abcdef0123456789abcdef"] {
        pages.push(format!("/console/search?q={text}"));
    }
    let below = ["", "/protection", "/integrations"].map(|path| format!("{service}{path}"));
    pages.extend(below);
    pages.extend([challenge, person]);
    Ok(pages)
}

/// The first link of a page that begins with this path.
fn link(page: &str, path: &str) -> Result<String> {
    let rest = page.split_once(&format!("href=\"{path}"));
    let rest = rest.with_context(|| format!("no link to {path}"))?.1;
    let name = rest.split(['"', '?', '#']).next().unwrap_or_default();
    Ok(format!("{path}{name}"))
}

/// A signed-in browser.
pub(crate) struct Operator {
    connection: Connection,
    host: String,
    cookies: Vec<String>,
}

impl Operator {
    pub(crate) async fn sign_in(bench: &Bench, server: &Server) -> Result<Self> {
        let connection = Connection::open(server.target.address).await?;
        let host = server.target.address.to_string();
        let mut operator = Self { connection, host, cookies: Vec::new() };
        let page = operator.load("/console/sign-in").await?;
        let token = page.split_once("name=\"form_token\" value=\"").context("no form")?.1;
        let token = token.split('"').next().unwrap_or_default();
        let (user, secret) = (bench.installation.account_sid(), bench.installation.auth_token());
        let form = form(&[("form_token", token), ("user", user), ("secret", secret)]);
        let (status, page) = operator.call("POST", "/console/sign-in", &form).await?;
        ensure!(status == 303, "no sign-in: {status} {page}");
        Ok(operator)
    }

    /// The text of a page.
    pub(crate) async fn load(&mut self, path: &str) -> Result<String> {
        let (status, page) = self.call("GET", path, "").await?;
        ensure!(status == 200, "{path}: {status} {page}");
        Ok(page)
    }

    /// Uses a new connection from now on.
    pub(crate) async fn connect_again(&mut self, server: SocketAddr) -> Result<()> {
        self.connection = Connection::open(server).await?;
        Ok(())
    }

    /// The value of the `Cookie` header.
    pub(crate) fn cookies(&self) -> String {
        self.cookies.join("; ")
    }

    async fn call(&mut self, method: &str, path: &str, form: &str) -> Result<(u16, String)> {
        let (host, cookies) = (&self.host, self.cookies());
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nCookie: {cookies}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
            form.len()
        );
        let answer = self.connection.call(request.as_bytes()).await?;
        let (status, page) = (answer.status, String::from_utf8_lossy(answer.body).into_owned());
        if let Some(cookie) = header(answer.head, "set-cookie") {
            self.cookies.push(cookie.split(';').next().unwrap_or_default().to_owned());
        }
        Ok((status, page))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_the_same_name_in_each_run() {
        let person =
            "/console/services/VA0123456789abcdef0123456789abcdef/people/0123456789abcdef-past-1";
        assert_eq!(named(person), "/console/services/…/people/…");
        assert_eq!(named("/console/timeline?status=denied"), "/console/timeline?status=denied");
    }

    #[test]
    fn a_link_is_found_by_the_beginning_of_its_path() {
        let page = "<a href=\"/console/x\">x</a> <a id=\"a\" href=\"/console/challenges/YC1?a=b\">";
        assert_eq!(link(page, "/console/challenges/").unwrap(), "/console/challenges/YC1");
        assert!(link(page, "/console/services/").is_err());
    }
}
