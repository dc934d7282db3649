import { readFile } from 'node:fs/promises';
import { Agent, request } from 'undici';
import { parse } from 'yaml';

/** An answer of the API server that is no success. */
export class ApiError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(`${status}: ${message}`);
    this.status = status;
  }
}

/** A body, and how it is to be understood. */
export interface Body {
  readonly type?: 'json' | 'merge-patch+json' | 'strategic-merge-patch+json';
  readonly content: object;
}

/** A connection to the API server under one identity; written apart from the product's client on purpose. */
export interface NodeApi {
  /** @throws ApiError for every answer that is no success */
  call<T = unknown>(
    method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE',
    path: string,
    body?: Body,
  ): Promise<T>;
  /** Calls `onEvent` for each event of a watch, until it ends or `signal` fires. */
  watch<T>(path: string, onEvent: (type: string, object: T) => void, signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

/** Connects as the user of a kubeconfig file with embedded certificates. */
export async function connectNodeApi(kubeconfigPath: string): Promise<NodeApi> {
  const { clusters, users } = parse(await readFile(kubeconfigPath, 'utf8'));
  const decode = (text: string): string => Buffer.from(text, 'base64').toString();
  const { cluster } = clusters[0];
  const { user } = users[0];
  const dispatcher = new Agent({
    bodyTimeout: 0,
    connect: {
      ca: decode(cluster['certificate-authority-data']),
      cert: decode(user['client-certificate-data']),
      key: decode(user['client-key-data']),
    },
  });
  return {
    async call(method, path, body) {
      const headers = { 'content-type': `application/${body?.type ?? 'json'}` };
      const content = body === undefined ? null : JSON.stringify(body.content);
      const signal = AbortSignal.timeout(10_000);
      const answer = await request(`${cluster.server}${path}`, {
        ...{ dispatcher, method, headers, body: content, signal },
      });
      const text = await answer.body.text();
      if (answer.statusCode >= 300) throw new ApiError(answer.statusCode, text);
      return JSON.parse(text);
    },
    async watch(path, onEvent, signal) {
      const answer = await request(`${cluster.server}${path}`, { dispatcher, signal });
      if (answer.statusCode !== 200) throw new ApiError(answer.statusCode, await answer.body.text());
      let rest = '';
      for await (const chunk of answer.body.setEncoding('utf8')) {
        const lines = (rest + chunk).split('\n');
        rest = lines.pop() ?? '';
        for (const line of lines) {
          const event = JSON.parse(line);
          onEvent(event.type, event.object);
        }
      }
    },
    close: () => dispatcher.destroy(),
  };
}
