/** The fields of a Pod that any rule looks at; the rest is not cached. */
export interface PodFacts {
  readonly name: string;
  readonly namespace: string;
  readonly uid: string;
  readonly resourceVersion: string;
  /** Empty while the pod is not scheduled. */
  readonly nodeName: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Kind of the controller that would make the pod anew, for example `ReplicaSet`. */
  readonly ownerKind?: string;
  readonly ownerUid?: string;
  /** The image of a static pod of the kubelet: evicting it does nothing. */
  readonly isMirror: boolean;
  /** The pod has an emptyDir, whose data ends with it. */
  readonly hasEmptyDir: boolean;
  readonly phase: 'Pending' | 'Running' | 'Succeeded' | 'Failed' | 'Unknown';
  readonly deletionTimestamp?: string;
  readonly terminationGracePeriodSeconds?: number;
  readonly serviceAccountName: string;
  /** Image of the first container. */
  readonly image: string;
  readonly ready: boolean;
}
