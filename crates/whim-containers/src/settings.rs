//! Settings of worker containers.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use whim_core::RepoName;
use whim_service::environment::{Environment, Expected, flag, parsed, text};

#[derive(Clone, Debug)]
pub struct DockerConfig {
    /// `DOCKER_HOST`.
    pub host: EngineHost,
    /// `WORKER_IMAGE`, for repositories that are not in `images`.
    pub image: String,
    /// `WORKER_IMAGES`: images of single repositories.
    pub images: RepositoryImages,
    /// `WORKER_NETWORK`.
    pub network: String,
    /// `WORKER_OCI_RUNTIME`; `None` is the engine's default.
    pub oci_runtime: Option<String>,
    /// `WORKER_MEMORY`, in bytes.
    pub memory: Bytes,
    /// `WORKER_CPUS`.
    pub cpus: Cpus,
    /// `WORKER_PIDS`: processes and threads.
    pub pids: NonZeroU32,
    /// `REQUIRE_PATCHED_RUNC`: start no worker if the engine's `runc` has known container escapes.
    pub require_fixed_runc: bool,
}

impl DockerConfig {
    /// The image for the workers of a repository.
    pub fn image_of(&self, repository: &RepoName) -> &str {
        let RepositoryImages(images) = &self.images;
        images
            .get(&repository.as_str().to_ascii_lowercase())
            .unwrap_or(&self.image)
    }

    /// Whether the settings name the image.
    pub fn has_image(&self, image: &str) -> bool {
        let RepositoryImages(images) = &self.images;
        self.image == image || images.values().any(|own| own == image)
    }

    /// Reads every setting of containers; `env` records what is wrong.
    pub fn read(env: &mut Environment) -> Self {
        // The version of the programs inside has to be this program's.
        let image = concat!("whim-worker:", env!("CARGO_PKG_VERSION")).to_owned();
        let pids = NonZeroU32::new(256).unwrap_or(NonZeroU32::MIN);
        Self {
            host: env.or_default("DOCKER_HOST", EngineHost::default(), engine_host()),
            image: env.or_default("WORKER_IMAGE", image, text("the name of a container image")),
            images: env.or_default("WORKER_IMAGES", RepositoryImages::default(), repository_images()),
            network: env.or_default(
                "WORKER_NETWORK",
                "whim-workers".to_owned(),
                text("the name of a container network"),
            ),
            oci_runtime: env.optional(
                "WORKER_OCI_RUNTIME",
                text("the name of an OCI runtime that the engine knows, such as runsc"),
            ),
            memory: env.or_default("WORKER_MEMORY", Bytes(4 << 30), bytes()),
            cpus: env.or_default("WORKER_CPUS", Cpus { thousandths: 2000 }, cpus()),
            pids: env.or_default("WORKER_PIDS", pids, process_limit()),
            require_fixed_runc: env.or_default("REQUIRE_PATCHED_RUNC", false, flag()),
        }
    }
}

/// Where the engine is: `unix:///path` or `tcp://host:port`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineHost(pub String);

impl Default for EngineHost {
    fn default() -> Self {
        Self("unix:///var/run/docker.sock".to_owned())
    }
}

fn engine_host() -> Expected<EngineHost> {
    Expected::new(
        "unix:///path/of/the/socket, or tcp://host:port of a socket proxy",
        |raw| {
            let rest = ["unix:///", "tcp://"]
                .iter()
                .find_map(|scheme| raw.strip_prefix(scheme))?;
            (!rest.is_empty()).then(|| EngineHost(raw.to_owned()))
        },
        |EngineHost(host)| host.clone(),
    )
}

/// Images by repository, in lower case: GitHub compares names without regard to case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RepositoryImages(pub BTreeMap<String, String>);

fn repository_images() -> Expected<RepositoryImages> {
    Expected::new(
        "a list such as owner/repo=image:tag,owner/other=image:tag, each repository once",
        |raw| {
            let mut images = BTreeMap::new();
            for pair in raw.split(',') {
                let (repository, image) = pair.split_once('=')?;
                let repository = RepoName::parse(repository.trim())
                    .ok()?
                    .as_str()
                    .to_ascii_lowercase();
                let image = image.trim();
                if image.is_empty() || images.insert(repository, image.to_owned()).is_some() {
                    return None;
                }
            }
            Some(RepositoryImages(images))
        },
        |RepositoryImages(images)| {
            let pairs: Vec<String> = images
                .iter()
                .map(|(repo, image)| format!("{repo}={image}"))
                .collect();
            pairs.join(",")
        },
    )
}

/// An amount of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bytes(pub u64);

fn bytes() -> Expected<Bytes> {
    /// The engine refuses less.
    const LEAST: u64 = 6 << 20;
    const UNITS: [(char, u32); 3] = [('k', 10), ('m', 20), ('g', 30)];
    Expected::new(
        "an amount of memory such as 4g or 512m, at least 6m",
        |raw| {
            let lower = raw.to_ascii_lowercase();
            let (digits, shift) = UNITS
                .iter()
                .find_map(|(unit, shift)| Some((lower.strip_suffix(*unit)?, *shift)))
                .unwrap_or((&lower, 0));
            let amount: u64 = digits.parse().ok()?;
            let bytes = amount.checked_mul(1 << shift)?;
            // What the engine takes is signed.
            (bytes >= LEAST && i64::try_from(bytes).is_ok()).then_some(Bytes(bytes))
        },
        |Bytes(bytes)| {
            UNITS
                .iter()
                .rev()
                .find(|(_, shift)| bytes % (1 << shift) == 0)
                .map_or_else(
                    || bytes.to_string(),
                    |(unit, shift)| format!("{}{unit}", bytes >> shift),
                )
        },
    )
}

/// An amount of processor time a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cpus {
    /// In thousandths of a processor.
    pub thousandths: u32,
}

fn cpus() -> Expected<Cpus> {
    Expected::new(
        "a number of processors from 0.01 to 1000, with at most three decimals",
        |raw| {
            let (whole, decimals) = raw.split_once('.').unwrap_or((raw, ""));
            let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
            if whole.is_empty() || !digits(whole) || !digits(decimals) || decimals.len() > 3 {
                return None;
            }
            let thousandths = whole.parse::<u32>().ok()?.checked_mul(1000)?;
            let thousandths = thousandths.checked_add(format!("{decimals:0<3}").parse().ok()?)?;
            (10..=1_000_000)
                .contains(&thousandths)
                .then_some(Cpus { thousandths })
        },
        |Cpus { thousandths }| (f64::from(*thousandths) / 1000.0).to_string(),
    )
}

fn process_limit() -> Expected<NonZeroU32> {
    /// Claude Code and a shell need about 40 threads before they do anything.
    const LEAST: u32 = 64;
    const MOST: u32 = 4_194_304;
    parsed::<NonZeroU32>("").only_if(
        format!("a number of processes and threads from {LEAST} to {MOST}"),
        |value| (LEAST..=MOST).contains(&value.get()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use whim_service::environment::ConfigError;

    fn read(variables: &[(&str, &str)]) -> Result<DockerConfig, ConfigError> {
        Environment::from_pairs(variables.iter().copied())
            .build(|env| Some(DockerConfig::read(env)))
            .map(|configured| configured.config)
    }

    #[test]
    fn limits_are_four_gigabytes_two_processors_and_256_processes_unless_they_are_set() {
        let config = read(&[]).unwrap();
        assert_eq!(config.memory, Bytes(4 * 1024 * 1024 * 1024));
        assert_eq!(config.cpus, Cpus { thousandths: 2000 });
        assert_eq!(config.pids.get(), 256);

        let config = read(&[
            ("WORKER_MEMORY", "512m"),
            ("WORKER_CPUS", "1.5"),
            ("WORKER_PIDS", "100"),
        ])
        .unwrap();
        assert_eq!(config.memory, Bytes(512 * 1024 * 1024));
        assert_eq!(config.cpus, Cpus { thousandths: 1500 });
        assert_eq!(config.pids.get(), 100);
    }

    #[test]
    fn a_repository_may_have_an_image_of_its_own() {
        let config = read(&[
            ("WORKER_IMAGE", "whim-worker:1"),
            ("WORKER_IMAGES", "Acme/Shop=shop-worker:2, acme/api=api:3"),
        ])
        .unwrap();
        let image = |name: &str| config.image_of(&RepoName::parse(name).unwrap()).to_owned();
        assert_eq!(image("acme/shop"), "shop-worker:2");
        assert_eq!(image("acme/api"), "api:3");
        assert_eq!(image("Acme/API"), "api:3");
        assert_eq!(image("acme/other"), "whim-worker:1");
    }

    #[test]
    fn two_images_of_one_repository_are_refused() {
        let error = read(&[("WORKER_IMAGES", "acme/shop=one:1,Acme/shop=two:2")]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "WORKER_IMAGES is \"acme/shop=one:1,Acme/shop=two:2\": expected a list such as \
             owner/repo=image:tag,owner/other=image:tag, each repository once"
        );
    }

    #[test]
    fn wrong_values_are_refused_with_what_they_may_be() {
        let error = read(&[
            ("DOCKER_HOST", "/var/run/docker.sock"),
            ("WORKER_IMAGES", "acme/shop"),
            ("WORKER_MEMORY", "4 GB"),
            ("WORKER_CPUS", "two"),
            ("WORKER_PIDS", "3"),
        ])
        .unwrap_err();
        insta::assert_snapshot!(error.to_string());
    }
}
