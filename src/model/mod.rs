//! Floor 0: the words of the project as types.
//!
//! An invalid value cannot be built: every constructor checks its range and says what is wrong.
//! Nothing here knows how a value was written down, sent or measured.

mod checksum;
mod client;
mod cookie;
mod encrypted;
mod endpoint;
mod freeze;
mod group;
mod guard;
mod hook;
mod http;
mod kinds;
mod name;
mod network;
mod outside;
mod performance;
mod permit;
mod probe;
mod resolution;
mod rrl;
mod rules;
mod server;
mod service;
mod split;
mod synthetic;
mod target;
mod text;
mod time;
mod timing;
mod units;
mod unknown;
mod url;
mod window;
mod zone;

pub use checksum::{Checksum, ChecksumError, PlanChecksum};
pub use client::{ClientNetwork, ClientRange, Subnet, mapped};
pub use cookie::{CookieSecrets, SecretsError};
pub use encrypted::EncryptedListen;
pub use endpoint::{ENDPOINTS_MAX, Endpoint, EndpointError, Family};
pub use freeze::{Freeze, FreezeReason, FreezeReasonError};
pub use group::GroupName;
pub use guard::{Bound, Guard, Label, Ratio, RatioError};
pub use hook::{Hook, HookKind, Instance, TransitionEvent, event_id};
pub use http::{HttpAccess, Readers};
pub use kinds::{
    AlpnId, Binding, DohPath, KindError, Kinds, Prefix, SrvAnswers, SrvSetting, TextRecord,
    endpoint_label,
};
pub use name::{DnsName, NameError, PoolName, ServiceName};
pub use network::{Network, NetworkError};
pub use outside::{Confirmer, Outside, Prometheus};
pub use performance::{Limit, Measure, Performance, SmokeTest};
pub use permit::Permit;
pub use probe::{
    Check, DnsProbe, ExecProbe, FileProbe, GrpcProbe, Header, HeaderError, HttpProbe, HttpsProbe,
    Method, Pass, Pattern, PatternError, ProbeKind, ProbeSetting, ProbeSpec, ServerName, TcpProbe,
    TlsProbe, TlsSettings,
};
pub use resolution::Resolution;
pub use rrl::RrlSettings;
pub use rules::{RuleError, broken_rules};
pub use server::{DNS_PORT, dns_server};
pub use service::{Desired, FailPolicy, Pool, RampStep, ReleasePolicy, ServiceSpec};
pub use split::{Split, Spread};
pub use synthetic::synthetic_client;
pub use target::{Target, TargetKind};
pub use text::first_line;
pub use time::Timestamp;
pub use timing::Timing;
pub use units::{Number, Percent, Share, Ttl, UnitError, Weight};
pub use unknown::{Unknown, nearest};
pub use url::{Url, UrlError};
pub use window::{Window, WindowError, Windows};
pub use zone::{NEGATIVE_TTL, Start, StaticRecord, ZoneSpec, Zones};
