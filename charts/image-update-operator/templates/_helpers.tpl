{{- define "image-update-operator.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- /* A release of the chart's name is called so, any other <release>-<chart>. */ -}}
{{- define "image-update-operator.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- $name := include "image-update-operator.name" . }}
{{- if contains $name .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}
{{- end }}

{{- define "image-update-operator.selector" -}}
app.kubernetes.io/name: {{ include "image-update-operator.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "image-update-operator.labels" -}}
{{ include "image-update-operator.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "image-update-operator.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "image-update-operator.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- required "serviceAccount.name is needed if serviceAccount.create is false" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "image-update-operator.image" -}}
{{- if .Values.image.digest }}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest }}
{{- else }}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) }}
{{- end }}
{{- end }}

{{- /* The rules of namespaces that are looked at. */ -}}
{{- define "image-update-operator.rules" -}}
{{ include "image-update-operator.rules.watched" . }}
{{ include "image-update-operator.rules.secrets" . }}
{{- with .Values.rbac.secretNames }}
  resourceNames: {{ toJson . }}
{{- end }}
{{- if .Values.argocd.applications }}
{{ include "image-update-operator.rules.applications" . }}
{{- end }}
{{- if .Values.webhook.enabled }}
{{ include "image-update-operator.rules.webhooks" . }}
{{- end }}
{{- end }}

{{- define "image-update-operator.subjects" -}}
- kind: ServiceAccount
  name: {{ include "image-update-operator.serviceAccount" . }}
  namespace: {{ .Release.Namespace }}
{{- end }}
