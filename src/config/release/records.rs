//! What a service answers beside its addresses: `https`, `svcb`, `txt`, `srv` and `previews`.

use std::num::NonZeroU16;

use super::{Notes, Table, Value, one_of, parts};
use crate::model::{
    AlpnId, Binding, DohPath, Kinds, Pool, PoolName, Prefix, SrvAnswers, SrvSetting, TextRecord,
};

const TEXTS_MAX: usize = 20;
const ALPN_MAX: usize = 8;
const BINDINGS_MAX: usize = 16;
const SRV_MAX: usize = 16;
/// What stands in a template for the names of a pool and of its service.
const POOL: &str = "{pool}";
const SERVICE: &str = "{service}";
const TEMPLATE: &str = "{pool}.{service}";
/// What schemas say of [`AlpnId`] and [`DohPath`].
const ALPN_FORM: &str = r"^[!#-+.-\[\]-~-]{1,32}$";
const DOH_PATH_FORM: &str = r"^/.*\{\?dns\}";

/// Keys of a service, and where what they say stands.
pub(super) struct Records<'a> {
    pub(super) kinds: Kinds,
    /// What is answered at its own name, by its key.
    pub(super) own: Vec<(&'static str, Value<'a>)>,
    /// Of `svcb` and `srv`.
    pub(super) prefixes: Vec<(Prefix, Value<'a>)>,
    pub(super) srv_at: Option<Value<'a>>,
    /// How pools are called; none if they are not.
    pub(super) template: Option<&'a str>,
}

impl Records<'_> {
    /// Whether endpoints must say on which port they listen.
    pub(super) fn need_ports(&self) -> bool {
        !self.kinds.srv.is_empty()
    }

    /// How a pool is called, relative to the zone, of a service that has this name there.
    pub(super) fn name_of(&self, service: &str, pool: &PoolName) -> Option<String> {
        let of_pool = self.template?.replace(POOL, &pool.label());
        // At the apex there is no such label.
        let dotted = [format!("{SERVICE}."), format!(".{SERVICE}")];
        Some(match service {
            "" => dotted.iter().fold(of_pool, |text, dotted| text.replace(dotted, "")),
            service => of_pool.replace(SERVICE, service),
        })
    }
}

pub(super) fn records<'a>(table: &mut Table<'a>) -> Option<Records<'a>> {
    let https_at = table.optional("https");
    let https = https_at.as_ref().map_or(Some(None), https);
    let svcb = table.optional("svcb").map_or(Some(Vec::new()), |value| svcb(&value));
    let txt_at = table.optional("txt");
    let txt = texts(txt_at.as_ref());
    let srv_at = table.optional("srv");
    let srv = srv_at.as_ref().map_or(Some(Vec::new()), srv);
    let template = table.optional("previews").map_or(Some(Some(TEMPLATE)), |v| template(&v));
    let (svcb, srv) = (svcb?, srv?);
    let of_svcb = svcb.iter().map(|(prefix, _, at)| (prefix.clone(), at.clone()));
    let of_srv = srv.iter().map(|(setting, at)| (setting.prefix.clone(), at.clone()));
    let prefixes = of_svcb.chain(of_srv).collect();
    let https = https?;
    let own = [("https", https_at.filter(|_| https.is_some())), ("txt", txt_at)];
    let own = own.into_iter().filter_map(|(key, value)| Some((key, value?))).collect();
    let kinds = Kinds {
        https,
        svcb: svcb.into_iter().map(|(prefix, binding, _)| (prefix, binding)).collect(),
        txt: txt?,
        srv: srv.into_iter().map(|(setting, _)| setting).collect(),
        previews: Default::default(),
    };
    Some(Records { kinds, own, prefixes, srv_at, template: template? })
}

/// `txt`, of a service or a pool.
pub(super) fn texts(value: Option<&Value<'_>>) -> Option<Vec<TextRecord>> {
    let Some(value) = value else { return Some(Vec::new()) };
    let items = value.array()?;
    if items.len() > TEXTS_MAX {
        value.wrong(format!("there are at most {TEXTS_MAX} texts"));
    }
    let mut texts: Vec<Option<TextRecord>> = Vec::new();
    for item in &items {
        let text = item.parse::<TextRecord>();
        if text.is_some() && texts.contains(&text) {
            item.wrong("this text stands here twice (RFC 2181 §5)");
        }
        texts.push(text);
    }
    texts.into_iter().collect()
}

/// `true`, or a table of what it says.
fn https(value: &Value<'_>) -> Option<Option<Binding>> {
    if !value.is_table() {
        return Some(value.boolean()?.then(Binding::default));
    }
    let mut table = value.table()?;
    let binding = binding(&mut table);
    table.finish();
    binding.map(Some)
}

fn binding(table: &mut Table<'_>) -> Option<Binding> {
    let default = Binding::default();
    let alpn = table.optional("alpn").map_or(Some(Vec::new()), |value| {
        let items = value.array()?;
        if items.len() > ALPN_MAX {
            value.wrong(format!("there are at most {ALPN_MAX} protocols"));
        }
        items.iter().map(|item| item.parse::<AlpnId>()).collect()
    });
    let port = port(table);
    let hints = table.optional("hints").map_or(Some(default.hints), |value| value.boolean());
    let priority = table.optional("priority");
    let priority = priority.map_or(Some(default.priority), |value| number(&value));
    Some(Binding { alpn: alpn?, port: port?, hints: hints?, priority: priority?, doh_path: None })
}

/// `port`, where it need not be said.
pub(super) fn port(table: &mut Table<'_>) -> Option<Option<NonZeroU16>> {
    table.optional("port").map_or(Some(None), |value| number(&value).map(Some))
}

fn number(value: &Value<'_>) -> Option<NonZeroU16> {
    NonZeroU16::new(u16::try_from(value.integer_in(1..=65_535)?).ok()?)
}

type Bound<'a> = (Prefix, Binding, Value<'a>);

fn svcb<'a>(value: &Value<'a>) -> Option<Vec<Bound<'a>>> {
    let items = value.array()?;
    if items.len() > BINDINGS_MAX {
        value.wrong(format!("there are at most {BINDINGS_MAX} bindings"));
    }
    // All are looked at before the first mistake is the end of it.
    let bound: Vec<Option<Bound<'_>>> = items.into_iter().map(bound).collect();
    for (index, (prefix, binding, at)) in bound.iter().enumerate().filter_map(placed) {
        let mut before = bound[..index].iter().flatten();
        if before.any(|(known, other, _)| (known, other) == (prefix, binding)) {
            at.wrong("this binding stands here twice (RFC 2181 §5)");
        }
    }
    bound.into_iter().collect()
}

fn placed<'b, 'a>(
    (index, bound): (usize, &'b Option<Bound<'a>>),
) -> Option<(usize, &'b Bound<'a>)> {
    Some((index, bound.as_ref()?))
}

/// Complains about texts of pools that the service has too: they would stand in one answer twice.
pub(super) fn check_texts(texts: &[TextRecord], pools: &Value<'_>) {
    if texts.is_empty() || !pools.is_table() {
        return;
    }
    let pools = pools.table().into_iter();
    let pools: Vec<_> = pools.flat_map(|pools| pools.entries().collect::<Vec<_>>()).collect();
    let of_pool = pools.iter().filter(|(_, pool)| pool.is_table()).filter_map(|(_, pool)| {
        let txt = pool.table()?.optional("txt")?;
        txt.is_array().then(|| txt.array())?
    });
    for item in of_pool.flatten() {
        if item.as_text().is_some_and(|text| texts.iter().any(|known| known.as_str() == text)) {
            item.wrong("the service has this text too, whichever pool answers (RFC 2181 §5)");
        }
    }
}

fn bound(value: Value<'_>) -> Option<Bound<'_>> {
    let mut table = value.table()?;
    let prefix = table.required("prefix", r#""_dns""#).and_then(|value| value.parse::<Prefix>());
    let doh_path = table.optional("doh_path");
    let doh_path = doh_path.map_or(Some(None), |value| value.parse::<DohPath>().map(Some));
    let binding = binding(&mut table);
    table.finish();
    Some((prefix?, Binding { doh_path: doh_path?, ..binding? }, value))
}

fn srv<'a>(value: &Value<'a>) -> Option<Vec<(SrvSetting, Value<'a>)>> {
    let items = value.array()?;
    if items.len() > SRV_MAX {
        value.wrong(format!("there are at most {SRV_MAX} names of SRV records"));
    }
    let mut settings: Vec<(SrvSetting, Value<'a>)> = Vec::new();
    let mut is_good = true;
    for item in items {
        let Some(setting) = srv_setting(&item) else {
            is_good = false;
            continue;
        };
        if settings.iter().any(|(known, _)| known.prefix == setting.prefix) {
            item.wrong(format!("{} stands here twice", setting.prefix.as_str()));
        }
        settings.push((setting, item));
    }
    is_good.then_some(settings)
}

/// `"_http._tcp"`, or a table.
fn srv_setting(value: &Value<'_>) -> Option<SrvSetting> {
    if !value.is_table() {
        let (prefix, answers) = (value.parse::<Prefix>()?, SrvAnswers::default());
        return Some(SrvSetting { prefix, priority: 0, answers });
    }
    let mut table = value.table()?;
    let prefix = table.required("prefix", r#""_http._tcp""#);
    let prefix = prefix.and_then(|value| value.parse::<Prefix>());
    let priority = table
        .optional("priority")
        .map_or(Some(0), |value| u16::try_from(value.integer_in(0..=65_535)?).ok());
    let answers = table.optional("answers");
    let answers = answers.map_or(Some(SrvAnswers::default()), |value| {
        one_of(&value, "unknown answers", &SrvAnswers::ALL, SrvAnswers::name)
    });
    table.finish();
    Some(SrvSetting { prefix: prefix?, priority: priority?, answers: answers? })
}

/// `true`, `false`, or a template with `{pool}` in it.
fn template<'a>(value: &Value<'a>) -> Option<Option<&'a str>> {
    let Some(text) = value.as_text() else { return Some(value.boolean()?.then_some(TEMPLATE)) };
    if !text.contains(POOL) {
        let hint = r#"write for example: previews = "{pool}-{service}", or false"#;
        value.wrong_with_hint("without {pool} all pools would have one name", hint);
        return None;
    }
    Some(Some(text))
}

/// How many octets the records of type SVCB of one name have at most, with the addresses of one of
/// these pools in those that have hints.
pub(super) fn svcb_octets<'b, 'p>(
    bindings: impl Iterator<Item = &'b Binding>,
    pools: impl Iterator<Item = &'p Pool>,
) -> usize {
    // A record with priority, target and port; the head of each of its other parameters.
    const RECORD_LEN: usize = 21;
    const HEAD_LEN: usize = 4;
    let of_pool = |pool: &Pool| {
        let octets = pool.addresses().map(|it| if it.is_ipv4() { 4 } else { 16 });
        2 * HEAD_LEN + octets.sum::<usize>()
    };
    let hints = pools.map(of_pool).max().unwrap_or_default();
    let of_binding = |binding: &Binding| {
        let alpn: usize = binding.alpn.iter().map(|id| 1 + id.as_str().len()).sum();
        let path = binding.doh_path.as_ref().map_or(0, |path| path.as_str().len());
        let hints = if binding.hints { hints } else { 0 };
        RECORD_LEN + 2 * HEAD_LEN + alpn + path + hints
    };
    bindings.map(of_binding).sum()
}

/// How many octets the records of type SRV of these pools have at most.
pub(super) fn srv_octets<'p>(owner_len: usize, pools: impl Iterator<Item = &'p Pool>) -> usize {
    // A record without its target, and the longest label of an endpoint.
    const RECORD_LEN: usize = 18;
    const ENDPOINT_LEN: usize = 40;
    let of_pool = |pool: &Pool| {
        let target = ENDPOINT_LEN + 1 + pool.name.as_str().len() + owner_len;
        pool.endpoints.len() * (RECORD_LEN + target)
    };
    pools.map(of_pool).sum()
}

/// The keys of a service that are read here.
pub(super) fn schema(notes: &Notes) -> [(&'static str, serde_json::Value); 5] {
    let binding = |at| {
        parts::Keys::at(notes, [at, "services.*.https {}"])
            .optional("alpn", parts::list(parts::matching(ALPN_FORM), 0..=ALPN_MAX))
            .optional("port", parts::port())
            .optional("hints", parts::flag())
            .optional("priority", parts::whole(1..=65_535))
    };
    let bound = binding("services.*.svcb {}")
        .required("prefix", parts::prefix())
        .optional("doh_path", parts::matching(DOH_PATH_FORM));
    let srv = parts::Keys::at(notes, ["services.*.srv {}"])
        .required("prefix", parts::prefix())
        .optional("priority", parts::whole(0..=65_535))
        .optional("answers", parts::word(SrvAnswers::ALL.map(SrvAnswers::name)));
    let srv = parts::either([parts::prefix(), srv.table()]);
    let template = parts::matching(r"\{pool\}");
    [
        ("https", parts::either([parts::flag(), binding("services.*.https {}").table()])),
        ("svcb", parts::list(bound.table(), 0..=BINDINGS_MAX)),
        ("txt", texts_schema()),
        ("srv", parts::list(srv, 0..=SRV_MAX)),
        ("previews", parts::either([parts::flag(), template])),
    ]
}

pub(super) fn texts_schema() -> serde_json::Value {
    parts::list(parts::some_text(), 0..=TEXTS_MAX)
}
