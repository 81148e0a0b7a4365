{{- /* What Ingresses are made of. */}}

{{- /*
Sets what an Ingress has of its own for one worker: `host`, `path`, `secret`.
Arguments: dict "root" $ "id" WORKER_ID "pod" NAME "into" DICT
*/}}
{{- define "twister2-job.ingress.place" -}}
{{- $ingress := .root.Values.ingress }}
{{- range $key, $text := dict "host" ($ingress.perWorker.hostTemplate | default $ingress.host) "path" ($ingress.perWorker.pathTemplate | default $ingress.path) "secret" $ingress.tls.secretName }}
{{- $_ := set $.into $key (include "twister2-job.placed" (dict "root" $.root "id" $.id "pod" $.pod "text" $text)) }}
{{- end }}
{{- end }}

{{- /*
Labels and annotations of an Ingress, as fields; what comes behind is one more label.
Arguments: dict "root" $ "port" NAME "annotations" MAP
*/}}
{{- define "twister2-job.ingress.metadata" -}}
{{- $names := dict }}
{{- include "twister2-job.externalDns" (dict "root" .root "host" "" "user" .annotations "endpoints" "" "into" $names) }}
{{- include "twister2-job.annotations" (dict "root" .root "user" .annotations "own" $names) }}
labels:
  {{- include "twister2-job.labels" (dict "root" .root "component" "worker" "own" (dict "twister2-job/exposure" "ingress" "twister2-job/port" .port)) | nindent 2 }}
{{- end }}

{{- /* The spec of an Ingress. Arguments: dict "values" VALUES "host" HOST "path" PATH "secret" NAME "service" NAME "port" NAME */}}
{{- define "twister2-job.ingress.spec" -}}
{{- with .values.className }}
ingressClassName: {{ . | quote }}
{{- end }}
{{- if .values.tls.enabled }}
tls:
  - hosts:
      - {{ .host | quote }}
    {{- with .secret }}
    secretName: {{ . | quote }}
    {{- end }}
{{- end }}
rules:
  - http:
      paths:
        - path: {{ .path | quote }}
          pathType: {{ .values.pathType | quote }}
          backend:
            service:
              name: {{ .service | quote }}
              port:
                name: {{ .port | quote }}
    {{- with .host }}
    host: {{ . | quote }}
    {{- end }}
{{- end }}
