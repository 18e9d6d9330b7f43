//! A bounty and an entry as people and machines read them.

use crate::bounty;
use crate::chain::links::{Links, Witness};
use crate::chain::market::Market;
use crate::chain::outbox::show;
use crate::chain::view::View;
use crate::dataset;
use crate::failure::Failure;
use alloy::primitives::{Address, B256, U256};
use anyhow::Result;
use serde::Serialize;
use zkaggle_graph::dataset::cid::cid_of_digest;

/// A time on chain with what it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Deadline {
    pub what: &'static str,
    /// Unix seconds.
    pub at: u64,
}

impl Deadline {
    /// What ends the present phase.
    fn of(b: &bounty::Bounty, now: u64) -> Option<Self> {
        b.next(now).map(|(what, at)| Self { what, at })
    }

    fn text(&self, now: u64) -> String {
        match self.at.checked_sub(now) {
            Some(left) => format!("{} in {}", self.what, span(left)),
            None => format!("{} was {} ago", self.what, span(now - self.at)),
        }
    }
}

/// One line of `bounty list`.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    pub id: u64,
    pub phase: String,
    pub mode: String,
    pub owner: Address,
    pub prizes: Vec<String>,
    pub stake: String,
    pub samples: u32,
    pub threshold: u32,
    pub entrants: usize,
    pub next: Option<Deadline>,
    now: u64,
}

impl Line {
    /// From the market's history, at a block time.
    pub fn of(id: u64, b: &bounty::Bounty, now: u64) -> Self {
        Self {
            id,
            phase: format!("{:?}", b.phase(now)),
            mode: format!("{:?}", b.terms.mode),
            owner: b.terms.owner,
            prizes: b.terms.prizes.iter().map(ToString::to_string).collect(),
            stake: b.terms.stake.to_string(),
            samples: b.terms.samples,
            threshold: b.terms.threshold,
            entrants: b.entries.len(),
            next: Deadline::of(b, now),
            now,
        }
    }

    pub fn head() -> String {
        format!(
            "{:>4}  {:<9} {:<6} {:>14} {:>9} {:>8}  {}",
            "id", "phase", "mode", "first prize", "threshold", "entrants", "next"
        )
    }

    pub fn text(&self) -> String {
        format!(
            "{:>4}  {:<9} {:<6} {:>14} {:>9} {:>8}  {}",
            self.id,
            self.phase,
            self.mode,
            self.prizes.first().map(|p| amount(p)).unwrap_or_default(),
            format!("{}/{}", self.threshold, self.samples),
            self.entrants,
            self.next.as_ref().map(|d| d.text(self.now)).unwrap_or_default()
        )
    }
}

/// Wei as text, for people.
fn amount(wei: &str) -> String {
    wei.parse::<U256>().map(|w| show(w).to_string()).unwrap_or_default()
}

/// One row of the board.
#[derive(Clone, Debug, Serialize)]
pub struct BoardRow {
    pub hunter: Address,
    pub slot: u8,
    pub score: u32,
    pub state: String,
    /// Index of the prize; none for a reserve.
    pub prize: Option<u8>,
}

/// Everything `bounty show` shows.
#[derive(Clone, Debug, Serialize)]
pub struct Bounty {
    #[serde(flatten)]
    pub line: Line,
    pub settled: Option<String>,
    pub schema_id: B256,
    pub bond: String,
    pub held: String,
    pub shards: Vec<Shard>,
    pub score_keys: Vec<String>,
    pub board: Vec<BoardRow>,
    pub claims: u32,
}

/// A shard as it is published.
#[derive(Clone, Debug, Serialize)]
pub struct Shard {
    pub bytes: u32,
    /// The block's CID; none before the reveal.
    pub cid: Option<String>,
}

impl Bounty {
    /// From the market's history, with what only the contract tells.
    pub async fn read(market: &Market, seen: &History, id: u64) -> Result<Self> {
        let b = seen.bounty(id)?;
        let now = seen.now;
        let stored = market.bounty(id).await?;
        let board = b.rows().into_iter().map(|r| BoardRow {
            hunter: r.entry.0,
            slot: r.entry.1,
            score: r.score,
            state: format!("{:?}", r.state),
            prize: r.prize,
        });
        let shards = b.terms.lengths.iter().enumerate().map(|(j, bytes)| Shard {
            bytes: *bytes,
            cid: b.digests.get(j).map(|d| cid_of_digest(&d.0).to_string()),
        });
        Ok(Self {
            line: Line::of(id, b, now),
            settled: b.settled.map(|p| format!("{p:?}")),
            schema_id: b.terms.schema_id,
            bond: stored.bond.to_string(),
            held: stored.held.to_string(),
            shards: shards.collect(),
            score_keys: market.score_keys(id).await?.iter().map(ToString::to_string).collect(),
            board: board.collect(),
            claims: b.paid,
        })
    }

    pub fn text(&self) -> String {
        let l = &self.line;
        let mut out = vec![
            format!("bounty {} ({}) is in {}", l.id, l.mode, l.phase),
            format!("owner     {}", l.owner),
            format!(
                "prizes    {}",
                l.prizes.iter().map(|p| amount(p)).collect::<Vec<_>>().join(", ")
            ),
            format!("bond      {}, stake {}", amount(&self.bond), amount(&l.stake)),
            format!("threshold {} of {} samples", l.threshold, l.samples),
            format!("entrants  {}", l.entrants),
        ];
        if let Some(d) = &l.next {
            out.push(format!("next      {}", d.text(l.now)));
        }
        for k in &self.score_keys {
            out.push(format!("key       {k}"));
        }
        for (j, s) in self.shards.iter().enumerate() {
            let cid = s.cid.as_deref().unwrap_or("not revealed");
            out.push(format!("shard {j:<3} {} bytes, {cid}", s.bytes));
        }
        for (i, r) in self.board.iter().enumerate() {
            let prize = r.prize.map_or("reserve".to_owned(), |p| format!("prize {}", p + 1));
            out.push(format!(
                "rank {:<4} {} slot {}: {} correct, {prize}, {}",
                i + 1,
                r.hunter,
                r.slot,
                r.score,
                r.state
            ));
        }
        if self.claims > 0 {
            out.push(format!("claims    {}", self.claims));
        }
        out.join("\n")
    }
}

/// What the chain has recorded of the root that a bounty's data are said to have.
#[derive(Clone, Debug, Serialize)]
pub struct Link {
    pub root: String,
    /// Whether it is recorded, and with this bounty's shards: others are an error.
    pub recorded: bool,
}

impl Link {
    /// # Errors
    /// Refused before the reveal, and when the root is recorded with other leaves.
    pub async fn read(market: &Market, seen: &History, id: u64, root: &str) -> Result<Self> {
        let root = dataset::parse(root)?;
        let b = seen.bounty(id)?;
        if b.digests.is_empty() {
            return Err(Failure::refused(format!(
                "bounty {id} has not revealed its shards, so no root can be compared with them"
            )));
        }
        let digests: Vec<[u8; 32]> = b.digests.iter().map(|d| d.0).collect();
        let links = Links::of(market.chain(), market.deployment())?;
        Ok(Self {
            root: root.to_string(),
            recorded: links.witness(&root, &digests).await? == Witness::Agrees,
        })
    }

    pub fn text(&self) -> String {
        match self.recorded {
            true => format!("root      {}: recorded on chain, with these shards", self.root),
            false => format!(
                "root      {}: not recorded on chain; whoever has it can, with `zkaggle dataset link`",
                self.root
            ),
        }
    }
}

/// One entry of a hunter.
#[derive(Clone, Debug, Serialize)]
pub struct EntryLine {
    pub bounty: u64,
    pub slot: u8,
    pub phase: String,
    pub state: String,
    pub score: u32,
    /// Place on the board, from 1.
    pub rank: Option<usize>,
    pub prize: Option<u8>,
    pub vk_id: B256,
    /// Whether the stake can be taken back now.
    pub refundable: bool,
    pub next: Option<Deadline>,
    now: u64,
}

impl EntryLine {
    /// Both slots of a hunter, as far as they are used.
    pub fn of(seen: &History, id: u64, hunter: Address) -> Result<Vec<Self>> {
        let b = seen.bounty(id)?;
        let board = b.rows();
        let mine = b.entries.iter().filter(|((who, _), _)| *who == hunter);
        let lines = mine.map(|(entry, e)| {
            let place = board.iter().position(|r| r.entry == *entry);
            Self {
                bounty: id,
                slot: entry.1,
                phase: format!("{:?}", b.phase(seen.now)),
                state: format!("{:?}", e.state),
                score: e.score,
                rank: place.map(|p| p + 1),
                prize: place.and_then(|p| board.get(p)).and_then(|r| r.prize),
                vk_id: e.vk,
                refundable: b.refundable(entry),
                next: Deadline::of(b, seen.now),
                now: seen.now,
            }
        });
        Ok(lines.collect())
    }

    pub fn text(&self) -> String {
        let rank = match (self.rank, self.prize) {
            (Some(r), Some(p)) => format!(", rank {r}, prize {}", p + 1),
            (Some(r), None) => format!(", rank {r}, reserve"),
            _ => String::new(),
        };
        let next = self.next.as_ref().map(|d| format!("; {}", d.text(self.now)));
        format!(
            "bounty {} slot {} ({}): {}, score {}{rank}{}",
            self.bounty,
            self.slot,
            self.phase,
            self.state,
            self.score,
            next.unwrap_or_default()
        )
    }
}

/// A market's history as of now.
pub struct History {
    view: View,
    /// Block time in Unix seconds.
    pub now: u64,
}

impl History {
    /// Replays a market's events from its deploy block.
    pub async fn read(market: &Market) -> Result<Self> {
        let mut view = View::new(market);
        view.catch_up().await?;
        Ok(Self {
            view,
            now: market.chain().now().await?,
        })
    }

    /// Every bounty with its number.
    pub fn bounties(&self) -> impl Iterator<Item = (u64, &bounty::Bounty)> {
        self.view.book().bounties.iter().map(|(id, b)| (*id, b))
    }

    /// A bounty that must be there: that it is not is its own exit code.
    pub fn bounty(&self, id: u64) -> Result<&bounty::Bounty> {
        let book = self.view.book();
        book.bounties.get(&id).ok_or_else(|| {
            Failure::not_found(format!(
                "there is no bounty {id}; the market has {}",
                book.bounties.len()
            ))
        })
    }
}

/// Withdraws everything that the market's history says is owed to the account, asset by asset: as JSON and
/// as lines.
pub async fn bring_home(market: &Market, seen: &History) -> Result<(Vec<serde_json::Value>, Vec<String>)> {
    let me = market.chain().account();
    let mut json = vec![];
    let mut lines = vec![];
    let assets = seen.view.book().owed.iter().filter(|((_, account), _)| *account == me);
    for ((asset, _), amount) in assets {
        let sent = market.withdraw_asset(*asset).await?;
        json.push(serde_json::json!({ "asset": asset, "amount": amount.to_string(), "transaction": sent.hash }));
        lines.push(match asset.is_zero() {
            true => format!("withdrew {} in transaction {}", show(*amount), sent.hash),
            false => format!("withdrew {amount} of pot {asset} in transaction {}", sent.hash),
        });
    }
    Ok((json, lines))
}

/// A length of time with at most two units, for people.
fn span(seconds: u64) -> String {
    let units = [(86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")];
    let mut left = seconds;
    let mut out = vec![];
    for (size, name) in units {
        let n = left / size;
        left %= size;
        if n > 0 {
            out.push(format!("{n} {name}"));
        }
    }
    out.truncate(2);
    if out.is_empty() { "0 s".into() } else { out.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_short() {
        for (seconds, text) in [
            (0, "0 s"),
            (59, "59 s"),
            (61, "1 min 1 s"),
            (3_600, "1 h"),
            (3_601, "1 h 1 s"),
            (90_061, "1 d 1 h"),
        ] {
            assert_eq!(span(seconds), text);
        }
    }
}
