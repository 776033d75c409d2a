//! Pushing: commits that are built upon each other become one pack, and a branch is moved to the
//! last of them.

use std::collections::HashSet;

use gix::ObjectId;
use image_update_core::remote::BranchName;

use super::{Built, Session, Tip};
use crate::git::{
    error::Error,
    pack::encode::Writer,
    protocol::{
        capabilities::ReceivePack,
        push::{self, Verdict},
    },
    transport::{Ending, Service},
};

/// The most read of a report on a push.
const MAX_REPORT_BYTES: usize = 4 * 1024 * 1024;

/// Where a push goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Destination {
    pub(crate) branch: BranchName,
    /// What is there now; nothing if the branch is to be made.
    pub(crate) old: Option<ObjectId>,
}

/// Commits that are pushed together, of which only the pack is kept.
pub(crate) struct Series {
    server: ReceivePack,
    pack: Writer,
    last: ObjectId,
    /// What is not to be written: what is in the pack, and what the server has because something in
    /// the pack replaces it. So deltas only refer to what the server has or what comes earlier, never
    /// to each other in a circle.
    known: HashSet<ObjectId>,
}

impl Series {
    /// The last commit; the one it starts from, if there is none yet.
    pub(crate) fn last(&self) -> ObjectId {
        self.last
    }
}

impl Session {
    /// Begins a series of commits on `from`. No request when warm.
    pub(crate) async fn begin(&mut self, from: &Tip) -> Result<Series, Error> {
        let server = self.receive_pack().await?;
        Ok(Series {
            server,
            pack: Writer::new(from.commit_id.kind(), !server.no_thin),
            last: from.commit_id,
            known: HashSet::new(),
        })
    }

    /// Adds a commit to a series, so that the next one can be built on it. Of the trees of those
    /// before, no more is kept than what is still in use.
    pub(crate) fn adopt(&mut self, series: &mut Series, built: Built) -> Result<(), Error> {
        for new in built.objects {
            if series.known.insert(new.id) {
                series.pack.add(&new).map_err(|source| self.pack(source))?;
            }
            series.known.extend(new.replaces.iter().map(|(id, _)| *id));
            self.store.insert(new.id, new.object);
        }
        series.last = built.commit_id;
        self.store.build_on(built.commit_id);
        Ok(())
    }

    /// Pushes a series.
    pub(crate) async fn push(
        &mut self,
        to: &Destination,
        series: Series,
    ) -> Result<Verdict, Error> {
        let server = series.server;
        let pack = series.pack.finish().map_err(|source| self.pack(source))?;
        let command = push::Command {
            branch: &to.branch,
            old: to.old.unwrap_or_else(|| series.last.kind().null()),
            new: series.last,
        };
        let request = push::request(server, &command, &pack);
        let body = self
            .exchange(
                Service::ReceivePack,
                request,
                Ending::Flush,
                MAX_REPORT_BYTES,
            )
            .await?;
        let verdict =
            push::parse(server, &to.branch, &body).map_err(|source| self.protocol(source))?;
        Ok(match verdict {
            Verdict::Refused(text) => Verdict::Refused(self.transport.redact(&text)),
            Verdict::Accepted => Verdict::Accepted,
        })
    }

    /// What the server can do for a push. No request when warm.
    async fn receive_pack(&mut self) -> Result<ReceivePack, Error> {
        if let Some(known) = self.receive {
            return Ok(known);
        }
        let body = self.advertisement(Service::ReceivePack).await?;
        let parsed = ReceivePack::parse(&body).map_err(|source| self.protocol(source))?;
        self.receive = Some(parsed);
        Ok(parsed)
    }
}
