// What an engine must do for the devstack and the agent, told as tests that run against the embedded engine and, where
// Docker answers (DOCKER_HOST or the usual socket), against Docker as well; with REQUIRE_DOCKER=1 it must.

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { chooseEngine } from "../../packages/devstack/src/embedded/choose.ts";
import {
  type EngineEvent,
  EngineError,
} from "../../packages/devstack/src/engine/engine.ts";
import { filters, type Told, told } from "./engine/raw.ts";
import { doing, Subject } from "./engine/subject.ts";

const { REQUIRE_DOCKER, DOCKER_HOST } = process.env;
const docker = await chooseEngine({ REQUIRE_DOCKER, DOCKER_HOST });
if (docker.kind === "embedded")
  process.stderr.write(
    `LEFT OUT: the engine contract against Docker: ${docker.why}\n`,
  );

const kinds: Subject["kind"][] =
  docker.kind === "docker" ? ["embedded", "docker"] : ["embedded"];

describe.each(kinds)("%s", (kind) => {
  let subject: Subject;

  beforeAll(async () => {
    subject = await Subject.open(kind, docker.dockerHost ?? "");
  }, 120_000);
  afterAll(() => subject.close(), 60_000);

  describe("images", () => {
    test("an image has a content address, and a name nobody gave has none", async () => {
      const digest = await subject.engine.imageDigest(subject.image);
      expect(digest).toMatch(/^sha256:[0-9a-f]{64}$/);
      const absent = await subject.engine.imageDigest("nobody/has:this");
      expect(absent).toBeUndefined();
    });

    test("a file that is no archive becomes no image", async () => {
      const answer = await subject.raw.ask(
        "POST",
        "/images/create?fromSrc=-&repo=vb-contract-bad&tag=x",
        "no tar",
      );
      expect(answer.status).toBe(500);
      expect(JSON.parse(answer.text)).toEqual({ message: expect.any(String) });
    });

    test.each([
      ["FOO bar", "foo is not a valid change command"],
      ["ENV", "ENV requires"],
    ])("the change %s is refused", async (change, why) => {
      const query = new URLSearchParams({
        fromSrc: "-",
        repo: "vb-contract-bad",
        tag: "x",
        changes: change,
      });
      const { status, text } = await subject.raw.ask(
        "POST",
        `/images/create?${query.toString()}`,
      );
      expect([status, text]).toEqual([400, expect.stringContaining(why)]);
    });
  });

  describe("a container", () => {
    test("runs in its image with the image's environment under its own", async () => {
      const { exitCode, log } = await subject.run({
        env: { BOTH: "own", OWN: "1=2" },
        command: doing("say", "one", "two words"),
      });
      const said = JSON.parse(log) as {
        rest: string[];
        env: Record<string, string>;
        here: string;
      };
      expect(exitCode).toBe(0);
      expect(said.rest).toEqual(["one", "two words"]);
      expect(said.here).toBe("from the image");
      expect(said.env).toMatchObject({
        FROM_IMAGE: 'a "b" $c',
        BOTH: "own",
        OWN: "1=2",
      });
      expect(Object.keys(said.env).toSorted()).toEqual(
        ["BOTH", "FROM_IMAGE", "HOME", "HOSTNAME", "OWN", "PATH"].toSorted(),
      );
    });

    test("a path that the image has is readable under that name as an argument", async () => {
      const { log } = await subject.run({
        command: doing("read", "/app/word.txt"),
      });
      expect(log).toBe("from the image\n");
    });

    test("setting an entry point drops the image's command", async () => {
      const { exitCode } = await subject.run({
        entryPoint: doing("exit", "5"),
      });
      expect(exitCode).toBe(5);
    });

    test("both streams are in its log", async () => {
      const { log } = await subject.run({ command: doing("both") });
      expect(log.split("\n").toSorted()).toEqual(["", "err", "out"]);
    });

    test("its facts say what it is at each stage", async () => {
      const name = subject.name();
      const id = await subject.create({ name, command: doing("exit", "3") });
      const { engine } = subject;
      expect(await engine.inspect(id)).toMatchObject({
        id,
        name,
        status: "created",
        imageDigest: await engine.imageDigest(subject.image),
        addresses: [],
        ports: [],
      });
      await engine.start(id);
      await engine.wait(id, AbortSignal.timeout(15_000));
      const after = await engine.inspect(id);
      expect(after).toMatchObject({ status: "exited", exitCode: 3 });
      expect(after.startedAt).toBeGreaterThanOrEqual(after.createdAt);
      await engine.remove(id);
      const gone = engine.inspect(id);
      await expect(gone).rejects.toMatchObject({ kind: "absent" });
    });

    test("one that was started, ended and started again has its log of both", async () => {
      const id = await subject.start({ command: doing("both") });
      for (const _ of [1, 2])
        await subject.engine
          .wait(id, AbortSignal.timeout(15_000))
          .then(() => subject.engine.start(id));
      await subject.engine.wait(id, AbortSignal.timeout(15_000));
      const log = await subject.engine.logs(id);
      expect(log.match(/out/g)).toHaveLength(3);
    });

    test("two of one name are a conflict", async () => {
      const name = subject.name();
      await subject.create({ name });
      await expect(subject.create({ name })).rejects.toMatchObject({
        kind: "conflict",
        message: expect.stringContaining("is already in use by container"),
      });
    });

    test("an unknown image, no container at all", async () => {
      const made = subject.create({ image: "nobody/has:this" });
      await expect(made).rejects.toMatchObject({
        kind: "absent",
        message: expect.stringContaining("No such image: nobody/has:this"),
      });
    });

    test.each([
      [["/app/absent"], /stat \/app\/absent: no such file or directory/],
      [["absent"], /executable file not found in \$PATH/],
      [["/app/word.txt"], /permission denied/],
      [["/bin/sh", "-c", "true"], /no such file or directory/],
    ])("%j can't be started, and it is said why", async (command, why) => {
      const id = await subject.create({ command });
      const error: unknown = await subject.engine.start(id).then(
        () => undefined,
        (failed: unknown) => failed,
      );
      expect(error).toBeInstanceOf(EngineError);
      expect(String(error)).toMatch(why);
      expect(await subject.engine.inspect(id)).toMatchObject({
        status: "created",
        addresses: [],
      });
    });
  });

  describe("an end", () => {
    test("a stop is asked for with SIGTERM, and the program's own code is kept", async () => {
      const id = await subject.start({ command: doing("polite") });
      await subject.printed(id, "waits");
      await subject.engine.stop(id, 10);
      const facts = await subject.engine.inspect(id);
      expect(facts).toMatchObject({ status: "exited", exitCode: 7 });
      await expect(subject.engine.stop(id, 1)).resolves.toBeUndefined();
    });

    test("who is deaf to it is killed after the grace", async () => {
      const id = await subject.start({ command: doing("deaf") });
      await subject.printed(id, "waits");
      await subject.engine.stop(id, 0);
      expect(await subject.engine.inspect(id)).toMatchObject({
        exitCode: 137,
      });
    });

    test("a kill is a signal and its code 128 and the signal", async () => {
      const id = await subject.start({ command: doing("stay") });
      await subject.printed(id, "stays");
      await subject.engine.kill(id, "SIGKILL");
      const { exitCode } = await subject.engine.wait(
        id,
        AbortSignal.timeout(5_000),
      );
      expect(exitCode).toBe(137);
      const again = subject.engine.kill(id, "SIGKILL");
      await expect(again).rejects.toMatchObject({ kind: "conflict" });
    });

    test("a wait stands until the end, and its signal ends it before", async () => {
      const id = await subject.start({ command: doing("stay") });
      const impatient = new AbortController();
      const given = subject.engine.wait(id, impatient.signal);
      impatient.abort();
      await expect(given).rejects.toBeInstanceOf(Error);
      const patient = subject.engine.wait(id, AbortSignal.timeout(15_000));
      await subject.engine.kill(id, "SIGKILL");
      expect(await patient).toEqual({ exitCode: 137 });
    });

    test("removing takes a running one along, and a gone one is no error", async () => {
      const id = await subject.start({ command: doing("stay") });
      await subject.engine.remove(id);
      await subject.engine.remove(id);
      const gone = subject.engine.inspect(id);
      await expect(gone).rejects.toMatchObject({ kind: "absent" });
    });
  });

  describe("networks", () => {
    /** What a server says to whoever connects; undefined when it is closed without a word. */
    const heard = (host: string, port: number): Promise<string | undefined> =>
      new Promise((resolve) => {
        let text = "";
        const socket = connect({ host, port, timeout: 5_000 });
        socket.setEncoding("utf8");
        socket.on("data", (chunk) => (text += String(chunk)));
        socket.on("error", () => undefined);
        socket.on("close", () => resolve(text === "" ? undefined : text));
      });

    test("a published port answers before anybody listens inside, and is passed on once somebody does", async () => {
      const { engine } = subject;
      const host = await engine.hostAddress();
      const ports = [
        { containerPort: 9202, hostPort: 0, protocol: "tcp" as const },
      ];
      const silent = await subject.start({ command: doing("stay"), ports });
      const [published] = (await engine.inspect(silent)).ports;
      expect(published).toMatchObject({ containerPort: 9202, protocol: "tcp" });
      // From the host itself Docker may refuse at once instead of accepting first; in neither case is anything said.
      expect(await heard(host, published?.hostPort ?? 0)).toBeUndefined();
      await engine.remove(silent);

      const id = await subject.start({
        command: doing("echo", "0.0.0.0:9202"),
        ports,
      });
      await subject.printed(id, "listens");
      const port = (await engine.inspect(id)).ports[0]?.hostPort ?? 0;
      expect(await heard(host, port)).toBe("hello from inside\n");
      await engine.remove(id);
    });

    test("two containers listen on one port, each at its own address", async () => {
      const ids = await Promise.all(
        [1, 2].map(() =>
          subject.start({ command: doing("echo", "0.0.0.0:9202") }),
        ),
      );
      const addresses = new Set<string>();
      for (const id of ids) {
        await subject.printed(id, "listens");
        const [address] = (await subject.engine.inspect(id)).addresses;
        addresses.add(address?.ipv4 ?? "");
        expect(address?.network).toBe("bridge");
        expect(await heard(address?.ipv4 ?? "", 9202)).toContain("hello");
      }
      expect(addresses.size).toBe(2);
    });

    test("a container in another's network is reached at the other's address and shows none of its own", async () => {
      const { engine } = subject;
      const network = await engine.createNetwork(
        subject.name(),
        subject.labels,
      );
      expect(network.gateway.split(".")[0]).toBe(network.subnet.split(".")[0]);
      const pause = await subject.start({
        image: subject.pause,
        network: { kind: "named", name: network.name },
      });
      const app = await subject.start({
        network: { kind: "shared", containerId: pause },
        command: doing("echo", "0.0.0.0:9202"),
      });
      await subject.printed(app, "listens");
      const [address] = (await engine.inspect(pause)).addresses;
      expect(address).toMatchObject({
        network: network.name,
        gateway: network.gateway,
        macAddress: expect.stringMatching(/^02:42(:[0-9a-f]{2}){4}$/),
      });
      expect((await engine.inspect(app)).addresses).toEqual([]);
      expect(await heard(address?.ipv4 ?? "", 9202)).toContain("hello");
      await engine.remove(app);
      await engine.remove(pause);
      await engine.removeNetwork(network.id);
      await engine.removeNetwork(network.id);
    });

    test("nobody joins the network of one that doesn't run, or one that isn't there", async () => {
      const pause = await subject.create({ image: subject.pause });
      const shared = await subject.create({
        network: { kind: "shared", containerId: pause },
      });
      await expect(subject.engine.start(shared)).rejects.toMatchObject({
        kind: "conflict",
        message: expect.stringContaining("non running container"),
      });
      const named = await subject.create({
        network: { kind: "named", name: "nobody-made-this" },
      });
      await expect(subject.engine.start(named)).rejects.toMatchObject({
        kind: "absent",
      });
    });

    test("one port can be published once", async () => {
      const ports = [
        { containerPort: 80, hostPort: 28_099, protocol: "tcp" as const },
      ];
      const first = await subject.start({ image: subject.pause, ports });
      const second = await subject.create({ image: subject.pause, ports });
      await expect(subject.engine.start(second)).rejects.toThrow(
        /:28099 failed: port is already allocated/,
      );
      await subject.engine.remove(first);
      await subject.engine.start(second);
      await subject.engine.remove(second);
    });

    test("on the host's network there is no address, and it is reached at the host's", async () => {
      const id = await subject.start({
        network: { kind: "host" },
        command: doing("echo", "0.0.0.0:28098"),
      });
      await subject.printed(id, "listens");
      expect((await subject.engine.inspect(id)).addresses).toEqual([]);
      const host = await subject.engine.hostAddress();
      expect(await heard(host, 28_098)).toContain("hello");
      await subject.engine.remove(id);
    });
  });

  describe("mounts", () => {
    test("a file of the host appears where it is mounted, and a volume keeps what one container wrote for the next", async () => {
      const folder = await mkdtemp(join(tmpdir(), "vb-contract-"));
      const volume = subject.name();
      await subject.engine.createVolume(volume, subject.labels);
      await subject.engine.createVolume(volume, subject.labels);
      try {
        await writeFile(join(folder, "key"), "the key\n");
        const bound = await subject.run({
          command: doing("read", "/run/keys/key"),
          mounts: [{ source: folder, target: "/run/keys", readOnly: true }],
        });
        expect(bound.log).toContain("the key");
        const mounts = [{ source: volume, target: "/data", readOnly: false }];
        await subject.run({
          mounts,
          command: doing("write", "/data/new", "kept"),
        });
        const { log } = await subject.run({
          mounts,
          command: doing("read", "/data/new"),
        });
        expect(log).toBe("kept\n");
      } finally {
        await rm(folder, { recursive: true });
      }
    });
  });

  describe("health", () => {
    test("a container is well after its first good probe, and sick after as many bad ones as it is allowed", async () => {
      const seen: EngineEvent[] = [];
      const over = new AbortController();
      const watching = subject.engine.watch(
        subject.labels,
        (event) => seen.push(event),
        over.signal,
      );
      const check = {
        intervalMs: 1_000,
        timeoutMs: 5_000,
        startPeriodMs: 0,
        retries: 1,
      };
      const id = await subject.start({
        command: doing("stay"),
        healthCheck: { ...check, command: ["CMD", ...doing("exit", "0")] },
      });
      const sick = await subject.start({
        command: doing("stay"),
        healthCheck: { ...check, command: ["CMD", ...doing("exit", "1")] },
      });
      await expect
        .poll(async () => (await subject.engine.inspect(id)).health, poll)
        .toBe("HEALTHY");
      await expect
        .poll(async () => (await subject.engine.inspect(sick)).health, poll)
        .toBe("UNHEALTHY");
      await expect
        .poll(() => seen.filter(({ health }) => health !== undefined), poll)
        .toEqual(
          expect.arrayContaining([
            { containerId: id, kind: "health", health: "HEALTHY" },
            { containerId: sick, kind: "health", health: "UNHEALTHY" },
          ]),
        );
      over.abort();
      await watching;
      await subject.engine.remove(id);
      await subject.engine.remove(sick);
    });
  });

  describe("the agent's four questions", () => {
    test("_ping and version are answered with the API's version and the engine's clock", async () => {
      const ping = await subject.raw.get("/_ping");
      expect(ping).toMatchObject({ status: 200, text: "OK" });
      expect(ping.headers).toMatchObject({ ostype: "linux" });
      const skew = Date.now() - Date.parse(ping.headers.date ?? "");
      expect(Math.abs(skew)).toBeLessThan(5_000);
      const version = await subject.raw.get("/v1.41/version");
      expect(JSON.parse(version.text)).toMatchObject({
        Version: expect.stringMatching(/^[\w.+~-]{1,60}$/),
        ApiVersion: expect.stringMatching(/^1\.\d+$/),
        MinAPIVersion: expect.any(String),
      });
    });

    test.each([
      ["GET", "/nope", 404, "page not found"],
      ["GET", "/v1.41/nope", 404, "page not found"],
      ["POST", "/_ping", 404, "page not found"],
      ["GET", "/v1.999/version", 400, "client version 1.999 is too new."],
      ["GET", "/containers/nope/json", 404, "No such container: nope"],
      ["POST", "/containers/nope/start", 404, "No such container: nope"],
      ["GET", "/networks/nope", 404, "network nope not found"],
      ["GET", "/images/nope/json", 404, "No such image: nope:latest"],
      ["GET", "/volumes/nope", 404, "get nope: no such volume"],
      ["DELETE", "/networks/bridge", 403, "is a pre-defined network"],
      ["GET", `/containers/json?filters={"foo":["x"]}`, 400, "nvalid filter"],
      ["GET", "/events?since=5&until=1", 400, "`since` time (5) cannot be"],
    ])("%s %s is refused with %i", async (method, path, status, why) => {
      const answer = await subject.raw.ask(method, encodeURI(path));
      expect(answer.status).toBe(status);
      expect(answer.headers["content-type"]).toContain("application/json");
      const { message } = JSON.parse(answer.text) as { message: string };
      expect(message).toContain(why);
    });

    test("a start and an end are told with id, name, image and labels, in the order of their times", async () => {
      const over = new AbortController();
      const stream = await subject.raw.events(
        { filters: filters({ label: [subject.mark] }) },
        over.signal,
      );
      const name = subject.name();
      const id = await subject.start({ name, command: doing("exit", "3") });
      const lines: string[] = [];
      for await (const line of stream) {
        lines.push(line);
        if (told(line).Action === "die") over.abort();
      }
      const mine = lines.map(told).filter(({ Actor }) => Actor.ID === id);
      expect(mine.map(({ Action }) => Action)).toEqual([
        "create",
        "start",
        "die",
      ]);
      for (const event of mine)
        expect(event).toMatchObject({
          Type: "container",
          scope: "local",
          Actor: {
            ID: id,
            Attributes: { name, image: subject.image, ...subject.labels },
          },
        } satisfies Partial<Told> | object);
      expect(mine.at(-1)?.Actor.Attributes["exitCode"]).toBe("3");
      const stamps = lines.map(
        (line) => /"timeNano":(\d{19})\}/.exec(line)?.[1],
      );
      expect(stamps).toEqual(stamps.toSorted(inText));
      const first = JSON.parse(lines[0] ?? "") as Record<string, unknown>;
      expect(String(first["time"])).toBe(stamps[0]?.slice(0, 10));
    });

    test("a signal is told by its number, and a stop after the end", async () => {
      const id = await subject.start({ command: doing("deaf") });
      await subject.printed(id, "waits");
      const since = `${Math.floor(Date.now() / 1000) - 5}.000000000`;
      await subject.engine.stop(id, 0);
      const until = String(Math.floor(Date.now() / 1000) + 2);
      const stream = await subject.raw.events(
        { since, until, filters: filters({ container: [id] }) },
        AbortSignal.timeout(10_000),
      );
      const seen: string[] = [];
      for await (const line of stream) {
        const { Action, Actor } = told(line);
        const { signal } = Actor.Attributes;
        seen.push(signal === undefined ? Action : `${Action} ${signal}`);
      }
      const tail = seen.slice(seen.indexOf("start") + 1);
      expect(tail).toEqual(["kill 15", "kill 9", "die", "stop"]);
    });

    test("what was missed is told from `since` on, that moment included, and no sooner", async () => {
      const id = await subject.start({ command: doing("exit", "0") });
      await subject.engine.wait(id, AbortSignal.timeout(15_000));
      const query = {
        filters: filters({ container: [id], event: ["start", "die"] }),
      };
      const past = async (since: string): Promise<string[]> => {
        const until = `${Math.floor(Date.now() / 1000) + 1}.000000000`;
        const all: string[] = [];
        const stream = await subject.raw.events(
          { ...query, since, until },
          AbortSignal.timeout(10_000),
        );
        for await (const line of stream) all.push(line);
        return all;
      };
      const [start = "", die = ""] = await past("1");
      expect([told(start).Action, told(die).Action]).toEqual(["start", "die"]);
      const nano = /"timeNano":(\d{19})/.exec(die)?.[1] ?? "";
      const stamp = `${nano.slice(0, -9)}.${nano.slice(-9)}`;
      expect(await past(stamp)).toEqual([die]);
      const after = (BigInt(nano) + 1n).toString();
      expect(await past(`${after.slice(0, -9)}.${after.slice(-9)}`)).toEqual(
        [],
      );
    });

    test("health probes are told with their exec events, and found by the name before the colon", async () => {
      const over = new AbortController();
      const stream = await subject.raw.events(
        {
          filters: filters({
            label: [subject.mark],
            event: ["exec_create", "exec_start", "exec_die", "health_status"],
          }),
        },
        over.signal,
      );
      const probe = doing("exit", "0");
      const id = await subject.start({
        command: doing("stay"),
        healthCheck: {
          command: ["CMD", ...probe],
          intervalMs: 500,
          timeoutMs: 5_000,
          startPeriodMs: 0,
          retries: 1,
        },
      });
      const seen: Told[] = [];
      for await (const line of stream) {
        if (told(line).Actor.ID === id) seen.push(told(line));
        if (told(line).Action.startsWith("health_status")) over.abort();
      }
      expect(seen.map(({ Action }) => Action)).toEqual([
        `exec_create: ${probe.join(" ")}`,
        `exec_start: ${probe.join(" ")}`,
        "exec_die",
        "health_status: healthy",
      ]);
      const ids = seen
        .slice(0, 3)
        .map(({ Actor }) => Actor.Attributes["execID"]);
      expect(new Set(ids).size).toBe(1);
      expect(seen[2]?.Actor.Attributes["exitCode"]).toBe("0");
      await subject.engine.remove(id);
    });

    test("the list has what runs, by label, with its labels and how long it is up", async () => {
      const name = subject.name();
      const labels = { "contract.listed": name };
      const id = await subject.start({ name, labels, command: doing("stay") });
      const ended = await subject.start({
        labels,
        command: doing("exit", "0"),
      });
      await subject.engine.wait(ended, AbortSignal.timeout(15_000));
      const ask = async (more: string): Promise<Record<string, unknown>[]> => {
        const query = encodeURIComponent(
          filters({ label: ["contract.listed", `contract.listed=${name}`] }),
        );
        const answer = await subject.raw.get(
          `/v1.41/containers/json?filters=${query}${more}`,
        );
        expect(answer.status).toBe(200);
        return JSON.parse(answer.text) as Record<string, unknown>[];
      };
      expect(await ask("")).toEqual([
        expect.objectContaining({
          Id: id,
          Names: [`/${name}`],
          State: "running",
          Status: expect.stringMatching(
            /^Up (Less than a second|\d+ seconds?)/,
          ),
          Labels: expect.objectContaining(labels),
        }),
      ]);
      const all = await ask("&all=1");
      expect(all.map(({ Id }) => Id)).toEqual([ended, id]);
      expect(all[0]).toMatchObject({
        State: "exited",
        Status: expect.stringMatching(/^Exited \(0\) .* ago$/),
      });
      await subject.engine.remove(id);
    });
  });

  test("what carries a label is removed with all its kinds", async () => {
    const mark = { "contract.swept": subject.name() };
    await subject.start({ labels: mark, command: doing("stay") });
    await subject.engine.createNetwork(subject.name(), mark);
    await subject.engine.createVolume(subject.name(), mark);
    const [label = ""] = Object.entries(mark).map((pair) => pair.join("="));
    expect(await subject.engine.removeLabelled(label)).toMatchObject({
      containers: 1,
      networks: 1,
    });
    expect(await subject.engine.removeLabelled(label)).toMatchObject({
      containers: 0,
      networks: 0,
    });
  });
});

const poll = { timeout: 10_000, interval: 100 };

/** Nineteen digits each: their order as text is their order as numbers. */
function inText(a: string | undefined, b: string | undefined): number {
  return (a ?? "") < (b ?? "") ? -1 : 1;
}
