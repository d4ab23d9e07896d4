//! What may be created.

use serde_json::{Value, json};

use crate::world::{INSTANCE, NAME, World, config, container_body, labels, with_worker};

/// Sets what is at a path of names.
fn set(body: &mut Value, path: &[&str], value: Value) {
    let place = path.iter().fold(body, |place, name| &mut place[*name]);
    *place = value;
}

fn create() -> String {
    format!("/containers/create?name={NAME}")
}

#[tokio::test]
async fn a_container_that_differs_from_a_workers_is_refused_without_a_call_to_the_engine() {
    let world = World::new();
    world.has_workspace();
    let cases: Vec<(&[&str], Value)> = vec![
        (&["HostConfig", "Privileged"], json!(true)),
        (&["HostConfig", "Binds"], json!(["/:/host"])),
        (&["HostConfig", "Binds"], json!(["/var/run/docker.sock:/s:ro"])),
        (
            &["HostConfig", "Mounts"],
            json!([{ "Type": "bind", "Source": "/", "Target": "/workspace" }]),
        ),
        (
            &["HostConfig", "Mounts"],
            json!([{ "Type": "volume", "Source": "whim_postgres", "Target": "/workspace" }]),
        ),
        (
            &["HostConfig", "Mounts"],
            json!([
                { "Type": "volume", "Source": NAME, "Target": "/workspace" },
                { "Type": "bind", "Source": "/etc", "Target": "/etc" },
            ]),
        ),
        (
            &["HostConfig", "Mounts"],
            json!([{
                "Type": "volume", "Source": NAME, "Target": "/workspace",
                "VolumeOptions": { "DriverConfig": { "Name": "local", "Options": { "type": "none", "o": "bind", "device": "/" } } },
            }]),
        ),
        (&["HostConfig", "VolumesFrom"], json!(["whim-postgres-1"])),
        (&["HostConfig", "VolumeDriver"], json!("rexray")),
        (&["Volumes"], json!({ "/var/run/docker.sock": {} })),
        (&["HostConfig", "PidMode"], json!("host")),
        (&["HostConfig", "PidMode"], json!("container:whim-postgres-1")),
        (&["HostConfig", "IpcMode"], json!("host")),
        (&["HostConfig", "UTSMode"], json!("host")),
        (&["HostConfig", "UsernsMode"], json!("host")),
        (&["HostConfig", "CgroupnsMode"], json!("host")),
        (&["HostConfig", "Cgroup"], json!("host")),
        (&["HostConfig", "CgroupParent"], json!("/")),
        (&["HostConfig", "NetworkMode"], json!("host")),
        (&["HostConfig", "NetworkMode"], json!("whim-data")),
        (&["HostConfig", "NetworkMode"], json!("container:whim-redis-1")),
        (
            &["NetworkingConfig"],
            json!({ "EndpointsConfig": { "whim-data": {} } }),
        ),
        (&["HostConfig", "CapAdd"], json!(["SYS_ADMIN"])),
        (&["HostConfig", "CapDrop"], json!([])),
        (&["HostConfig", "CapDrop"], json!(["NET_RAW"])),
        (&["HostConfig", "SecurityOpt"], json!([])),
        (
            &["HostConfig", "SecurityOpt"],
            json!(["no-new-privileges:true", "seccomp=unconfined"]),
        ),
        (
            &["HostConfig", "SecurityOpt"],
            json!(["no-new-privileges:true", "apparmor=unconfined"]),
        ),
        (&["HostConfig", "MaskedPaths"], json!([])),
        (&["HostConfig", "ReadonlyPaths"], json!([])),
        (&["HostConfig", "ReadonlyRootfs"], json!(false)),
        (
            &["HostConfig", "Devices"],
            json!([{ "PathOnHost": "/dev/sda", "PathInContainer": "/dev/sda", "CgroupPermissions": "rwm" }]),
        ),
        (&["HostConfig", "DeviceCgroupRules"], json!(["b 8:* rwm"])),
        (
            &["HostConfig", "DeviceRequests"],
            json!([{ "Driver": "nvidia", "Count": -1 }]),
        ),
        (&["HostConfig", "Links"], json!(["whim-postgres-1:db"])),
        (&["HostConfig", "ExtraHosts"], json!(["github.com:10.0.0.1"])),
        (&["HostConfig", "Dns"], json!(["10.0.0.1"])),
        (&["HostConfig", "Runtime"], json!("evil")),
        (&["HostConfig", "Memory"], json!(0)),
        (&["HostConfig", "Memory"], json!(1_u64 << 40)),
        (&["HostConfig", "MemorySwap"], json!(-1)),
        (&["HostConfig", "NanoCpus"], json!(64_000_000_000_u64)),
        (&["HostConfig", "PidsLimit"], json!(-1)),
        (&["HostConfig", "OomScoreAdj"], json!(-1000)),
        (&["HostConfig", "OomKillDisable"], json!(true)),
        (
            &["HostConfig", "Sysctls"],
            json!({ "kernel.core_pattern": "|/x" }),
        ),
        (
            &["HostConfig", "LogConfig"],
            json!({ "Type": "syslog", "Config": {} }),
        ),
        (&["HostConfig", "LogConfig", "Config", "max-size"], json!("100g")),
        (&["HostConfig", "RestartPolicy"], json!({ "Name": "always" })),
        (&["HostConfig", "AutoRemove"], json!(true)),
        (
            &["HostConfig", "PortBindings"],
            json!({ "22/tcp": [{ "HostPort": "22" }] }),
        ),
        (&["HostConfig", "PublishAllPorts"], json!(true)),
        (&["HostConfig", "ContainerIDFile"], json!("/etc/cron.d/x")),
        (&["HostConfig", "GroupAdd"], json!(["0"])),
        (&["HostConfig", "Tmpfs", "/etc"], json!("exec")),
        (&["HostConfig", "Ulimits"], json!([])),
        (&["HostConfig", "Init"], json!(false)),
        // Spellings that the engine's own reader takes for the same.
        (&["HostConfig", "privileged"], json!(true)),
        (&["hostConfig"], json!({ "Privileged": true })),
        (&["HOSTCONFIG"], json!({ "Privileged": true })),
        (&["HostConfig", "SomethingNew"], json!(true)),
        (&["User"], json!("0:0")),
        (&["User"], json!("root")),
        (&["User"], json!("")),
        (&["Image"], json!("alpine")),
        (&["Image"], json!("whim-worker:2")),
        (&["Image"], json!("whim-worker:1@sha256:0000")),
        (&["Entrypoint"], json!(["/bin/sh"])),
        (&["Cmd"], json!(["-c", "id"])),
        (&["WorkingDir"], json!("/proc/self/fd/8")),
        (&["Tty"], json!(true)),
        (&["OnBuild"], json!(["RUN id"])),
        (&["Healthcheck"], json!({ "Test": ["CMD-SHELL", "id"] })),
        (&["ExposedPorts"], json!({ "22/tcp": {} })),
        (&["Env"], json!(["CREDENTIALS_DIR=/workspace", "NOT A VARIABLE"])),
        (&["StopTimeout"], json!(86_400)),
        (&["Labels", "whim.instance"], json!("not an identifier")),
        (&["Labels", "whim.worker-id"], json!("1")),
        (&["Labels", "whim.epoch"], json!("03")),
        (&["Labels", "com.docker.compose.project"], json!("whim")),
        (&["Labels"], json!({})),
        (&["Labels"], json!(null)),
        (&["HostConfig"], json!(null)),
        (&["HostConfig"], json!({})),
    ];
    assert!(cases.len() > 20);

    for (path, value) in cases {
        let mut body = container_body();
        set(&mut body, path, value.clone());
        let (status, answer) = world.post(&create(), &body.to_string()).await;
        assert_eq!(status, 403, "{path:?} = {value}: {answer}");
        let answer: Value = serde_json::from_str(&answer).unwrap();
        let message = answer["message"].as_str().unwrap();
        assert!(
            message.starts_with("the socket proxy refuses this: "),
            "{message}"
        );
    }

    assert_eq!(world.lines(), [""; 0]);
}

#[tokio::test]
async fn a_refusal_names_the_field_and_its_expected_value() {
    let world = World::new();
    let message = async |path: &[&str], value: Value| {
        let mut body = container_body();
        set(&mut body, path, value);
        world.post(&create(), &body.to_string()).await.1
    };

    assert_eq!(
        message(&["HostConfig", "Privileged"], json!(true)).await,
        r#"{"message":"the socket proxy refuses this: Whim sends no field HostConfig.Privileged"}"#
    );
    assert_eq!(
        message(&["HostConfig", "PidsLimit"], json!(-1)).await,
        r#"{"message":"the socket proxy refuses this: HostConfig.PidsLimit must be 2048 (the settings of the socket proxy and of the orchestrator have to be the same)"}"#
    );
}

#[tokio::test]
async fn an_ambiguous_body_is_refused_or_replaced() {
    let world = World::new();
    world.has_workspace();
    let good = container_body().to_string();
    let twice = good.replacen('{', r#"{"HostConfig":{"Privileged":true},"#, 1);
    let with_rest = format!("{good}{{\"HostConfig\":{{\"Privileged\":true}}}}");
    let cut = good[..good.len() - 1].to_owned();
    for body in [
        twice,
        with_rest,
        cut,
        "[]".to_owned(),
        String::new(),
        "null".to_owned(),
    ] {
        let (status, answer) = world.post(&create(), &body).await;
        assert_eq!(status, 403, "{body}: {answer}");
    }
    assert_eq!(world.lines(), [""; 0]);

    // What is handed on is the proxy's own text, in whatever way the same was written.
    let odd = good.replacen("\"Image\"", "\n\t\"\\u0049mage\"", 1);
    assert_ne!(odd, good);
    let (status, answer) = world.post(&create(), &odd).await;
    assert_eq!(status, 201, "{answer}");
    assert_eq!(world.asked().last().unwrap().body, good.as_bytes());
}

#[tokio::test]
async fn a_container_has_the_name_of_its_worker() {
    let world = World::new();
    world.has_workspace();
    let body = container_body().to_string();
    let other = NAME.replace("-3", "-4");
    for query in [
        String::new(),
        "?name=".to_owned(),
        "?name=whim-postgres-1".to_owned(),
        format!("?name={other}"),
        format!("?name={NAME}&name=x"),
        format!("?name={NAME}&platform=linux/arm64"),
        format!("?name={NAME}&pull=always"),
        format!("?name={NAME}%26x=1"),
    ] {
        let (status, answer) = world.post(&format!("/containers/create{query}"), &body).await;
        assert_eq!(status, 403, "{query}: {answer}");
    }
    assert_eq!(world.lines(), [""; 0]);
}

#[tokio::test]
async fn a_volume_that_the_orchestrator_did_not_create_is_not_mounted() {
    let cases = [
        json!({ "Name": NAME, "Driver": "local", "Options": {}, "Labels": null }),
        json!({ "Name": NAME, "Driver": "local", "Options": {}, "Labels": { "whim.instance": INSTANCE } }),
        json!({ "Name": NAME, "Driver": "nfs", "Options": {}, "Labels": labels() }),
        json!({
            "Name": NAME, "Driver": "local", "Labels": labels(),
            "Options": { "type": "none", "o": "bind", "device": "/" },
        }),
    ];
    for volume in cases {
        let world = World::new();
        world.has_volume(NAME, volume.clone());
        let (status, answer) = world.post(&create(), &container_body().to_string()).await;
        assert_eq!(status, 403, "{volume}: {answer}");
        assert_eq!(world.lines(), [format!("GET /volumes/{NAME}")]);
    }
    // The engine would make one that is not there.
    let world = World::new();
    let (status, answer) = world.post(&create(), &container_body().to_string()).await;
    assert_eq!(status, 404, "{answer}");
    assert_eq!(world.lines(), [format!("GET /volumes/{NAME}")]);
}

#[tokio::test]
async fn a_volume_or_network_that_differs_from_the_workers_is_refused() {
    let world = World::new();
    let volume = with_worker(|worker| serde_json::to_value(whim_containers::volume(worker)).unwrap());
    let network = serde_json::to_value(whim_containers::network(&config().network, INSTANCE)).unwrap();
    let volumes: Vec<(&[&str], Value)> = vec![
        (&["Name"], json!("whim_postgres")),
        (&["Name"], json!(null)),
        (&["Driver"], json!("local")),
        (
            &["DriverOpts"],
            json!({ "type": "none", "o": "bind", "device": "/" }),
        ),
        (
            &["driverOpts"],
            json!({ "type": "none", "o": "bind", "device": "/" }),
        ),
        (&["ClusterVolumeSpec"], json!({})),
        (&["Labels"], json!({})),
        (&["Labels", "x"], json!("y")),
    ];
    let networks: Vec<(&[&str], Value)> = vec![
        (&["Name"], json!("whim-data")),
        (&["Driver"], json!("host")),
        (&["Driver"], json!("macvlan")),
        (&["Options"], json!({})),
        (
            &["Options", "com.docker.network.bridge.enable_icc"],
            json!("true"),
        ),
        (&["Options", "parent"], json!("eth0")),
        (&["IPAM"], json!({ "Config": [{ "Subnet": "0.0.0.0/0" }] })),
        (&["Internal"], json!(false)),
        (&["Attachable"], json!(true)),
        (&["ConfigFrom"], json!({ "Network": "x" })),
        (&["Labels"], json!({})),
    ];
    for (route, good, cases) in [
        ("/volumes/create", &volume, volumes),
        ("/networks/create", &network, networks),
    ] {
        for (path, value) in cases {
            let mut body = good.clone();
            set(&mut body, path, value.clone());
            let (status, answer) = world.post(route, &body.to_string()).await;
            assert_eq!(status, 403, "{route} {path:?} = {value}: {answer}");
        }
    }
    assert_eq!(world.lines(), [""; 0]);

    assert_eq!(world.post("/volumes/create", &volume.to_string()).await.0, 201);
    assert_eq!(world.post("/networks/create", &network.to_string()).await.0, 201);
    let bodies: Vec<Vec<u8>> = world.asked().into_iter().map(|asked| asked.body).collect();
    assert_eq!(
        bodies,
        [volume, network].map(|body| body.to_string().into_bytes())
    );
}
