// Which way to log in the settings mean. Exactly one: two would hide which one the broker lives by.

import { Secret } from "@vaultbuddy/common";
import type { Clock } from "@vaultbuddy/common";
import type { SettingsOf } from "@vaultbuddy/common/daemon";
import type { loginSettings, vaultSettings } from "../settings/vault.ts";
import { awsLogin, sdkCredentials, stsUrl } from "./aws.ts";
import type { LoginMethod } from "./method.ts";
import {
  appRoleLogin,
  cubbyholeLogin,
  tokenLogin,
  userpassLogin,
} from "./simple.ts";
import { wrappedLogin } from "./wrapped.ts";

type LoginSettings = SettingsOf<typeof loginSettings> &
  Pick<SettingsOf<typeof vaultSettings>, "vaultTimeout">;

/** A way to log in, ready for the process's clock. */
export type OpenLogin = (clock: Clock) => LoginMethod;

const ways = {
  VAULT_TOKEN: (settings) => settings.vaultToken,
  VAULT_TOKEN_FILE: (settings) => settings.vaultTokenFile,
  APPROLE_ROLE_ID: (settings) => settings.approleRoleId,
  AWS_IAM_ROLE: (settings) => settings.awsIamRole,
  WRAPPED_TOKEN_AUTH: (settings) => settings.wrappedToken,
  WRAPPED_TOKEN_AUTH_FILE: (settings) => settings.wrappedTokenFile,
  USERPASS_USERNAME: (settings) => settings.userpassUsername,
  CUBBY_TOKEN: (settings) => settings.cubbyToken,
} as const satisfies Record<string, (settings: LoginSettings) => unknown>;

/** Chooses, and reads every file once so that a missing one is a fault at the start. Throws an Error. */
export function chooseLogin(
  settings: LoginSettings,
  read: (path: string) => string,
): OpenLogin {
  const given = Object.entries(ways).filter(
    ([, value]) => value(settings) !== undefined,
  );
  if (given.length !== 1) {
    const found =
      given.length === 0
        ? "none is given"
        : `given are ${given.map(([name]) => name).join(" and ")}`;
    throw new Error(
      `exactly one of ${Object.keys(ways).join(", ")} must be given, and ${found}`,
    );
  }
  return openWay(settings, read);
}

function openWay(
  settings: LoginSettings,
  read: (path: string) => string,
): OpenLogin {
  const file = (path: string | undefined, what: string): (() => Secret) => {
    if (path === undefined) {
      throw new Error(what);
    }
    const content = (): Secret => secretIn(path, read);
    content();
    return content;
  };
  const { vaultToken, wrappedToken, cubbyToken } = settings;
  const { awsIamRole, approleRoleId, userpassUsername } = settings;
  if (awsIamRole !== undefined) {
    return awsWay(settings, awsIamRole);
  }
  const once = (method: LoginMethod): OpenLogin => {
    return () => method;
  };
  if (approleRoleId !== undefined) {
    const { approleMount, approleSecretIdFile } = settings;
    const secretId = file(
      approleSecretIdFile,
      "APPROLE_ROLE_ID needs APPROLE_SECRET_ID_FILE",
    );
    return once(appRoleLogin(approleMount, approleRoleId, secretId));
  }
  if (userpassUsername !== undefined) {
    const { userpassMount, userpassPasswordFile } = settings;
    const password = file(
      userpassPasswordFile,
      "USERPASS_USERNAME needs USERPASS_PASSWORD_FILE",
    );
    return once(userpassLogin(userpassMount, userpassUsername, password));
  }
  if (cubbyToken !== undefined) {
    return once(cubbyholeLogin(() => cubbyToken, settings.cubbyPath));
  }
  const { wrappedTokenFile, vaultTokenFile, wrappedTokenPaths } = settings;
  if (wrappedToken !== undefined || wrappedTokenFile !== undefined) {
    const token =
      wrappedToken === undefined
        ? file(wrappedTokenFile, "WRAPPED_TOKEN_AUTH_FILE is needed")
        : () => wrappedToken;
    return once(wrappedLogin({ token, madeAt: wrappedTokenPaths }));
  }
  return once(
    tokenLogin(
      vaultToken === undefined
        ? file(vaultTokenFile, "VAULT_TOKEN_FILE is needed")
        : () => vaultToken,
    ),
  );
}

function awsWay(settings: LoginSettings, role: string): OpenLogin {
  const { awsIamMount, awsIamServerId, awsStsRegion, awsStsUrl } = settings;
  return (clock) =>
    awsLogin({
      mount: awsIamMount,
      role,
      serverId: awsIamServerId,
      region: awsStsRegion,
      url: awsStsUrl ?? stsUrl(awsStsRegion),
      credentials: sdkCredentials(awsStsRegion, settings.vaultTimeout, clock),
      clock,
    });
}

function secretIn(path: string, read: (path: string) => string): Secret {
  const text = read(path).trim();
  if (text === "") {
    throw new Error(`the file ${path} is empty`);
  }
  return new Secret(text);
}
