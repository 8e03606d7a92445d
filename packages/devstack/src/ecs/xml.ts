// The little XML that EC2's query protocol needs: elements, lists of `<item>`s, and its two envelopes.

/** XML text, already escaped. */
export type Xml = string;

const namespace = "http://ec2.amazonaws.com/doc/2016-11-15/";
const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&apos;",
};

export function element(name: string, text: string): Xml {
  const escaped = text.replaceAll(/[&<>"']/g, (char) => entities[char] ?? char);
  return `<${name}>${escaped}</${name}>`;
}

export function list(name: string, items: readonly Xml[]): Xml {
  return `<${name}>${items.map((item) => `<item>${item}</item>`).join("")}</${name}>`;
}

/** `<ActionResponse>` as EC2 answers it. */
export function response(action: string, requestId: string, body: Xml): Xml {
  return `<?xml version="1.0" encoding="UTF-8"?>\n<${action}Response xmlns="${namespace}">${element("requestId", requestId)}${body}</${action}Response>`;
}

/** EC2's error envelope. */
export function errorResponse(
  code: string,
  message: string,
  requestId: string,
): Xml {
  const error = `<Error>${element("Code", code)}${element("Message", message)}</Error>`;
  return `<?xml version="1.0" encoding="UTF-8"?>\n<Response><Errors>${error}</Errors>${element("RequestID", requestId)}</Response>`;
}
