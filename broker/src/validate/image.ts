// An image's name in the one form in which a policy speaks of it: registry spelled out, no tag, and the digest that ECS
// says was really pulled. The rules by which a short name stands for a long one are Docker's own.
// https://pkg.go.dev/github.com/distribution/reference#ParseNormalizedNamed

const DIGEST = /^[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[0-9a-f]{32,}$/;

/** `<registry>/<path>@<digest>`; undefined when the digest is missing or no digest. */
export function imageIdentity(
  image: string,
  digest: string | undefined,
): string | undefined {
  const [named = ""] = image.split("@", 1);
  const name = withRegistry(withoutTag(named));
  return digest !== undefined && DIGEST.test(digest) && name !== undefined
    ? `${name}@${digest}`
    : undefined;
}

/** A colon after the last slash begins a tag; one before it, a registry's port. */
function withoutTag(name: string): string {
  const colon = name.indexOf(":", name.lastIndexOf("/") + 1);
  return colon < 0 ? name : name.slice(0, colon);
}

function withRegistry(name: string): string | undefined {
  if (!/^[\w.:/-]+$/.test(name)) {
    return undefined;
  }
  const slash = name.indexOf("/");
  const first = slash < 0 ? "" : name.slice(0, slash);
  const isRegistry =
    /[.:]/.test(first) || first === "localhost" || /[A-Z]/.test(first);
  const registry = isRegistry ? first.toLowerCase() : "docker.io";
  const path = isRegistry ? name.slice(slash + 1) : name;
  if (registry !== "docker.io" && registry !== "index.docker.io") {
    return `${registry}/${path}`;
  }
  return `docker.io/${path.includes("/") ? path : `library/${path}`}`;
}
