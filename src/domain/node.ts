/** The fields of a Node that any rule looks at; the rest is not cached. */
export interface NodeFacts {
  readonly name: string;
  readonly uid: string;
  readonly resourceVersion: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly unschedulable: boolean;
  readonly ready: boolean;
  /** `status.nodeInfo.bootID` as the kubelet last reported it. */
  readonly bootId: string;
  /** `status.nodeInfo.osImage`, which is PRETTY_NAME of the running system. */
  readonly osImage: string;
}
