// Which addresses the broker dials at all: those inside a network, that is loopback, link-local, RFC 1918, unique local
// (RFC 4193), and the shared space of RFC 6598, which AWS hands out as secondary ranges of a VPC. The addresses of metadata
// services are never a container's. Asked by the judgement, and once more right before each connection.

import { BlockList, isIP } from "node:net";

const inside = new BlockList();
inside.addSubnet("10.0.0.0", 8);
inside.addSubnet("172.16.0.0", 12);
inside.addSubnet("192.168.0.0", 16);
inside.addSubnet("100.64.0.0", 10);
inside.addSubnet("127.0.0.0", 8);
inside.addSubnet("169.254.0.0", 16);
const inside6 = new BlockList();
inside6.addAddress("::1", "ipv6");
inside6.addSubnet("fc00::", 7, "ipv6");
inside6.addSubnet("fe80::", 10, "ipv6");
const metadata = new BlockList();
// Instance metadata, its time and name services, and the credentials of ECS and EKS.
metadata.addSubnet("169.254.169.0", 24);
metadata.addSubnet("169.254.170.0", 24);
metadata.addSubnet("fd00:ec2::", 32, "ipv6");

/** Whether the broker may dial an address. */
export function isDialable(address: string): boolean {
  switch (isIP(address)) {
    case 4:
      return inside.check(address) && !metadata.check(address);
    case 6:
      // An IPv4 address in IPv6's clothes is written neither by ECS nor by EC2.
      return (
        !/^::ffff:/i.test(address) &&
        inside6.check(address, "ipv6") &&
        !metadata.check(address, "ipv6")
      );
    default:
      return false;
  }
}
