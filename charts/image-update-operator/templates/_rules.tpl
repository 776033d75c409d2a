{{- /* Generated from src/generate/rbac.rs; `make generate` writes it anew. */ -}}
{{- define "image-update-operator.rules.watched" -}}
# Follows the objects that it works for.
- apiGroups: ["image-update.dev"]
  resources: ["imagewatches", "imageupdatepolicies"]
  verbs: ["list", "watch"]
# Says in their statuses what it did, or why it did not.
- apiGroups: ["image-update.dev"]
  resources: ["imagewatches/status", "imageupdatepolicies/status"]
  verbs: ["patch"]
# Tells of updates and failures.
- apiGroups: ["events.k8s.io"]
  resources: ["events"]
  verbs: ["create"]
# Tells of updates of annotated Applications as argocd-image-updater did.
- apiGroups: [""]
  resources: ["events"]
  verbs: ["create"]
# Finds the pull secrets of `serviceAccountName`.
- apiGroups: [""]
  resources: ["serviceaccounts"]
  verbs: ["get"]
# Reads the labels that `accessFrom` of a watch selects namespaces by.
- apiGroups: [""]
  resources: ["namespaces"]
  verbs: ["get"]
{{- end }}
{{- define "image-update-operator.rules.secrets" -}}
# Reads the Secrets that objects and the file about registries name.
- apiGroups: [""]
  resources: ["secrets"]
  verbs: ["get"]
{{- end }}
{{- define "image-update-operator.rules.applications" -}}
# Follows Applications that policies select; `get` and `patch` write those of `writeBack.argocd`, and `patch` asks Argo CD to look at what was pushed.
- apiGroups: ["argoproj.io"]
  resources: ["applications"]
  verbs: ["get", "list", "watch", "patch"]
# Makes what annotations of argocd-image-updater say, and removes it with them.
- apiGroups: ["image-update.dev"]
  resources: ["imagewatches", "imageupdatepolicies"]
  verbs: ["create", "patch", "delete"]
# Sees whether argocd-image-updater still runs; nothing is converted then.
- apiGroups: ["coordination.k8s.io"]
  resources: ["leases"]
  verbs: ["list"]
# The same, for one without a Lease.
- apiGroups: ["apps"]
  resources: ["deployments"]
  verbs: ["list"]
# Warns that objects of argocd-image-updater have no effect here, if there are any.
- apiGroups: ["argocd-image-updater.argoproj.io"]
  resources: ["imageupdaters"]
  verbs: ["list"]
{{- end }}
{{- define "image-update-operator.rules.webhooks" -}}
# Asks for a look by an annotation when a registry tells of a push.
- apiGroups: ["image-update.dev"]
  resources: ["imagewatches", "imageupdatepolicies"]
  verbs: ["patch"]
{{- end }}
{{- define "image-update-operator.rules.argocdRepositories" -}}
# Reads the repository Secrets, which have a label and any name.
- apiGroups: [""]
  resources: ["secrets"]
  verbs: ["list"]
# Verifies git servers as Argo CD does.
- apiGroups: [""]
  resources: ["configmaps"]
  resourceNames: ["argocd-ssh-known-hosts-cm", "argocd-tls-certs-cm"]
  verbs: ["get"]
# Sees whether the project of an Application permits its repository.
- apiGroups: ["argoproj.io"]
  resources: ["appprojects"]
  verbs: ["list"]
{{- end }}
{{- define "image-update-operator.rules.leaderElection" -}}
# Agrees with other replicas on who works.
- apiGroups: ["coordination.k8s.io"]
  resources: ["leases"]
  verbs: ["get", "create", "update"]
{{- end }}
