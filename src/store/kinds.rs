//! What the release file has a service answer beside its addresses, as it is written.

use std::{collections::BTreeMap, fmt::Display, num::NonZeroU16, str::FromStr};

use serde::{Deserialize, Serialize};

use super::row::{RowError, wrong};
use crate::model::{AlpnId, Binding, DohPath, Kinds, SrvAnswers, SrvSetting, TextRecord};

#[derive(Serialize, Deserialize)]
pub(super) struct KindsRow {
    https: Option<BindingRow>,
    svcb: Vec<(String, BindingRow)>,
    txt: Vec<String>,
    /// Prefix, priority, and which pools are in the answers.
    srv: Vec<(String, u16, String)>,
    previews: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize)]
struct BindingRow {
    priority: NonZeroU16,
    alpn: Vec<String>,
    port: Option<NonZeroU16>,
    hints: bool,
    doh_path: Option<String>,
}

impl KindsRow {
    pub(super) fn of(kinds: &Kinds) -> Self {
        let Kinds { https, svcb, txt, srv, previews } = kinds;
        let srv = srv.iter().map(|SrvSetting { prefix, priority, answers }| {
            (prefix.as_str().to_owned(), *priority, answers.name().to_owned())
        });
        let svcb = svcb.iter();
        Self {
            https: https.as_ref().map(BindingRow::of),
            svcb: svcb.map(|(p, of)| (p.as_str().to_owned(), BindingRow::of(of))).collect(),
            txt: txt.iter().map(|text| text.as_str().to_owned()).collect(),
            srv: srv.collect(),
            previews: previews.iter().map(|(p, name)| (p.to_string(), name.to_string())).collect(),
        }
    }

    pub(super) fn read(self) -> Result<Kinds, RowError> {
        let svcb =
            self.svcb.into_iter().map(|(prefix, row)| Ok((one("svcb", prefix)?, row.read()?)));
        let srv = self.srv.into_iter().map(|(prefix, priority, answers)| {
            let known = SrvAnswers::ALL.into_iter().find(|known| known.name() == answers);
            let answers = known.ok_or_else(|| wrong("srv", answers))?;
            Ok(SrvSetting { prefix: one("srv", prefix)?, priority, answers })
        });
        let previews = self.previews.into_iter();
        let previews = previews.map(|(p, name)| Ok((one("previews", p)?, one("previews", name)?)));
        Ok(Kinds {
            https: self.https.map(BindingRow::read).transpose()?,
            svcb: svcb.collect::<Result<_, RowError>>()?,
            txt: texts("txt", self.txt)?,
            srv: srv.collect::<Result<_, RowError>>()?,
            previews: previews.collect::<Result<_, RowError>>()?,
        })
    }
}

impl BindingRow {
    fn of(binding: &Binding) -> Self {
        let Binding { priority, alpn, port, hints, doh_path } = binding;
        Self {
            priority: *priority,
            alpn: alpn.iter().map(|id| id.as_str().to_owned()).collect(),
            port: *port,
            hints: *hints,
            doh_path: doh_path.as_ref().map(|path| path.as_str().to_owned()),
        }
    }

    fn read(self) -> Result<Binding, RowError> {
        let Self { priority, alpn, port, hints, doh_path } = self;
        let alpn = parsed::<AlpnId>("alpn", alpn)?;
        let doh_path = doh_path.map(|path| one::<DohPath>("doh_path", path)).transpose()?;
        Ok(Binding { priority, alpn, port, hints, doh_path })
    }
}

pub(super) fn texts(what: &str, texts: Vec<String>) -> Result<Vec<TextRecord>, RowError> {
    parsed(what, texts)
}

/// Texts, each of which can be read.
pub(super) fn parsed<T: FromStr<Err: Display>>(
    what: &str,
    texts: Vec<String>,
) -> Result<Vec<T>, RowError> {
    texts.into_iter().map(|text| one(what, text)).collect()
}

fn one<T: FromStr<Err: Display>>(what: &str, text: String) -> Result<T, RowError> {
    text.parse().map_err(|why| wrong(what, why))
}
