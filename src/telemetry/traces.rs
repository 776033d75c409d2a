//! Where traces go: a collector that speaks OTLP over HTTP.

use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry_otlp::{ExporterBuildError, Protocol, SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::EnvResourceDetector;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use url::Url;

use crate::config::{TraceConfig, variable};

/// How long one export, and the last one at the end of the program, may take.
pub(super) const TIMEOUT: Duration = Duration::from_secs(5);

/// The path of traces below a collector's address:
/// <https://opentelemetry.io/docs/specs/otlp/#otlphttp-request>
const PATH: &str = "v1/traces";

const SERVICE: &str = "image-update-operator";

/// Why no traces can be sent. The address is not repeated: it may have a password in it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The address is none.
    #[error("--otlp-endpoint is no address of a collector")]
    Endpoint,
    /// The exporter can't be set up.
    #[error("no traces can be sent to --otlp-endpoint")]
    Exporter(#[source] ExporterBuildError),
}

/// What sends traces; `None` if nobody wants them.
///
/// A `rustls` crypto provider must have been installed for the process. Not to be called on a
/// runtime: the exporter's client has one of its own.
pub(crate) fn provider(config: &TraceConfig) -> Result<Option<SdkTracerProvider>, Error> {
    let Some(endpoint) = config.otlp_endpoint.as_deref().filter(|it| !it.is_empty()) else {
        return Ok(None);
    };
    let exporter = SpanExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(address(endpoint)?)
        .with_timeout(TIMEOUT)
        .build()
        .map_err(Error::Exporter)?;
    let name = variable("OTEL_SERVICE_NAME");
    let resource = Resource::builder_empty()
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .with_detector(Box::new(EnvResourceDetector::new()))
        .with_service_name(name.map_or_else(|| SERVICE.to_owned(), |it| it.to_string()))
        .build();
    let sampler = Sampler::TraceIdRatioBased(config.otlp_sampling_ratio);
    let provider = SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_sampler(Sampler::ParentBased(Box::new(sampler)))
        .with_resource(resource)
        .build();
    Ok(Some(provider))
}

/// The address of traces at a collector.
fn address(endpoint: &str) -> Result<String, Error> {
    let url: Url = endpoint.parse().map_err(|_| Error::Endpoint)?;
    let is_one = matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none();
    if !is_one {
        return Err(Error::Endpoint);
    }
    Ok(format!("{}/{PATH}", url.as_str().trim_end_matches('/')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(endpoint: &str, expected: Option<&str>) {
        assert_eq!(address(endpoint).ok().as_deref(), expected, "{endpoint}");
    }

    #[test]
    fn traces_have_a_path_below_the_collectors() {
        check("http://c:4318", Some("http://c:4318/v1/traces"));
        check("https://c/otlp/", Some("https://c/otlp/v1/traces"));
        check("c:4318", None);
        check("grpc://c:4317", None);
        check("http://me:hunter2@c", None);
        check("http://c/?token=hunter2", None);
        check("", None);
    }
}
