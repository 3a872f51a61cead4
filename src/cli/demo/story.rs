//! The story that plays by itself: steady on v1, release v2, v2 breaks, rollback.
//!
//! A step counts only when it was seen in answers to real questions.

use std::{
    io::Write,
    time::{Duration, Instant},
};

use anyhow::bail;

use super::stage::Stage;

const ASK_EVERY: Duration = Duration::from_millis(10);
/// The whole story must be over by then.
const STORY_MAX: Duration = Duration::from_secs(55);
/// How long the rolled-back answers are watched for staying what they are: several probes.
const WATCH_LATCH: Duration = Duration::from_millis(1500);

pub(super) async fn play(stage: &Stage, out: &mut impl Write) -> anyhow::Result<()> {
    let story = Story { stage, began: Instant::now() };
    let (old, new) = (&stage.endpoints.old, &stage.endpoints.new);

    story.until_answered(old.name).await?;
    story.tell(out, &format!("steady: every answer is {}", old.name))?;
    story
        .until(&format!("{} proven by its probes", new.name), async || {
            let pools = stage.status().await?.pools;
            Ok(pools[new.name].endpoints.iter().all(|endpoint| endpoint.verdict == "up"))
        })
        .await?;
    story.tell(out, &format!("{} is deployed: its probes pass, it has no traffic", new.name))?;

    stage.ask_for(new)?;
    story.tell(out, &format!("the file is edited: live = \"{}\"", new.name))?;
    story.until_answered(new.name).await?;
    story.tell(out, &format!("released: every answer is {}", new.name))?;

    new.break_down();
    story.tell(out, &format!("{} breaks: its health check fails", new.name))?;
    story.until_answered(old.name).await?;
    story.tell(out, &format!("rolled back: every answer is {}", old.name))?;

    story.until_phase("Failed").await?;
    story.stays_answered(old.name, WATCH_LATCH).await?;
    story.tell(out, &format!("failed and latched: the file still asks for {}", new.name))?;

    stage.ask_for(old)?;
    story.until_phase("Steady").await?;
    story.until_answered(old.name).await?;
    story.tell(out, &format!("the file asks for {} again: steady", old.name))?;
    Ok(())
}

struct Story<'a> {
    stage: &'a Stage,
    began: Instant,
}

impl Story<'_> {
    fn tell(&self, out: &mut impl Write, what: &str) -> std::io::Result<()> {
        writeln!(out, "{:7.3} s  {what}", self.began.elapsed().as_secs_f64())
    }

    async fn until_answered(&self, version: &str) -> anyhow::Result<()> {
        self.until(&format!("answers of {version}"), async || {
            Ok(self.stage.version_of(&self.stage.answered().await?) == version)
        })
        .await
    }

    async fn until_phase(&self, phase: &str) -> anyhow::Result<()> {
        self.until(&format!("the phase {phase}"), async || {
            Ok(self.stage.status().await?.phase == phase)
        })
        .await
    }

    async fn until(
        &self,
        what: &str,
        mut seen: impl AsyncFnMut() -> anyhow::Result<bool>,
    ) -> anyhow::Result<()> {
        while !seen().await? {
            if self.began.elapsed() > STORY_MAX {
                bail!("not seen within {STORY_MAX:?}: {what}");
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
        Ok(())
    }

    async fn stays_answered(&self, version: &str, watch: Duration) -> anyhow::Result<()> {
        let until = Instant::now() + watch;
        while Instant::now() < until {
            let answered = self.stage.version_of(&self.stage.answered().await?);
            if answered != version {
                bail!("the answers did not stay with {version}: {answered} was answered");
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
        Ok(())
    }
}
