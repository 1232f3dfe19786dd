// What a TypeScript program takes from the two clients that `nox -s interop` generates; the compiler checks it.
import type { operations } from "./openapi-typescript/schema";
import { getStatus } from "./hey-api";

type Job = operations["get_status"]["responses"]["200"]["content"]["application/json"];

export const status = (job: Job): string => job.status;
export const milliseconds = (job: Job): number => job.delayTime ?? 0;
export const look = () => getStatus({ path: { endpoint_id: "my-endpoint", job_id: "my-job" }, query: { ttl: 6000 } });
