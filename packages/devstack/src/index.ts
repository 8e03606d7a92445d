// The door of devstack: what the demo, the stories and a developer's shell may start.
export {};
