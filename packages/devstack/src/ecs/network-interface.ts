// The network interface of an awsvpc task: a pause container in the stack's own network, whose namespace the task's
// containers join, and the attachment by which ECS shows its address.

import type { Engine } from "../engine/engine.ts";
import {
  dockerName,
  ecsLabels,
  pauseName,
  type SpecContext,
} from "./container-spec.ts";
import type { Attachment } from "./records.ts";

export interface Interface {
  readonly pauseId: string;
  readonly pauseDockerName: string;
  readonly attachment: Attachment;
  readonly ipv4: string;
  readonly macAddress: string;
  readonly subnet: string;
  readonly gateway: string;
}

/** Starts the pause container and describes its interface. */
export async function attach(context: SpecContext): Promise<Interface> {
  const { runner, task } = context;
  const { engine } = runner;
  const network = await runner.network();
  const name = dockerName(context, pauseName);
  const pauseId = await engine.create({
    name,
    image: await engine.pauseImage(),
    labels: ecsLabels(context, pauseName),
    env: {},
    network: { kind: "named", name: network.name },
  });
  await engine.start(pauseId);
  const [address] = (await engine.inspect(pauseId)).addresses;
  if (address === undefined)
    throw new Error("the pause container was given no address");
  const { ipv4, macAddress } = address;
  const { subnet, gateway } = network;
  const attachment: Attachment = {
    id: task.attachments[0]?.id ?? uuid(runner.options.hex(32)),
    type: "ElasticNetworkInterface",
    status: "ATTACHED",
    details: [
      { name: "subnetId", value: task.attachments[0]?.details[0]?.value ?? "" },
      { name: "networkInterfaceId", value: `eni-${runner.options.hex(17)}` },
      { name: "macAddress", value: macAddress },
      {
        name: "privateDnsName",
        value: privateDnsName(ipv4, runner.options.region),
      },
      { name: "privateIPv4Address", value: ipv4 },
    ],
  };
  return {
    pauseId,
    pauseDockerName: name,
    attachment,
    ipv4,
    macAddress,
    subnet,
    gateway,
  };
}

/** Takes the interface away. The pause program is deaf to SIGTERM, so it is not asked. */
export async function detach(
  engine: Engine,
  { pauseId }: Interface,
): Promise<void> {
  await engine.remove(pauseId);
}

export function privateDnsName(ipv4: string, region: string): string {
  return `ip-${ipv4.replaceAll(".", "-")}.${region}.compute.internal`;
}

/** 32 hex digits in the form of a UUID. */
export function uuid(hex: string): string {
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
