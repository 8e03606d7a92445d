// The form of schema/terraform.json.

/** What a resource, a data source or a block in it may hold. */
export interface Block {
  readonly arguments: Record<string, { type: string; required: boolean }>;
  readonly blocks: Record<string, Block & { required: boolean }>;
}

/** Types with what may be referred to in them. */
export interface TerraformSchema {
  readonly from: string[];
  readonly resource: Record<string, Block & { exports: string[] }>;
  readonly data: Record<string, Block & { exports: string[] }>;
}
