// What a TypeScript program takes from the clients that `nox -s interop` generates; the compiler checks it.
import type { operations } from "./openapi-typescript/schema";
import { getStatus } from "./hey-api";
import { getHealth } from "./orval/api";

type Job = operations["get_status"]["responses"]["200"]["content"]["application/json"];

export const status = (job: Job): string => job.status;
export const milliseconds = (job: Job): number => job.delayTime ?? 0;
export const look = () => getStatus({ path: { endpoint_id: "my-endpoint", job_id: "my-job" }, query: { ttl: 6000 } });
export const idle = async (): Promise<number> => {
  const health = await getHealth("my-endpoint");
  return health.status === 200 ? (health.data.workers?.idle ?? 0) : 0;
};
