{{- define "countersign.labels" -}}
{{ include "countersign.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "countersign.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "countersign.name" -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" }}
{{- end }}

{{/* What the values must be together. */}}
{{- define "countersign.check" -}}
{{- if and (gt (int .Values.replicas) 1) (not .Values.databaseSecret) }}
{{- fail "replicas > 1 needs databaseSecret: SQLite serves one server" }}
{{- end }}
{{- if and (gt (int .Values.replicas) 1) (not .Values.nats.servers) }}
{{- fail "replicas > 1 needs nats.servers: the servers reach each other over NATS" }}
{{- end }}
{{- if ne (empty .Values.nats.user) (empty .Values.nats.passwordSecret) }}
{{- fail "nats.user and nats.passwordSecret belong together" }}
{{- end }}
{{- end }}
