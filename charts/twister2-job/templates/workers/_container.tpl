{{- /*
One worker: a container of a worker pod, as a list item. Twister2 takes the worker's ID from the end of the container's
and the pod's name. Arguments: dict "root" $ "group" GROUP "container" INDEX
*/}}
{{- define "twister2-job.workerContainer" -}}
{{- $root := .root }}
{{- $container := .container }}
{{- $name := printf "twister2-container-%d" $container }}
{{- $mode := $root.Job.mode }}
{{- $workerPort := include "twister2-job.portNumber" (dict "root" $root "container" $container "port" (first $root.Job.ports)) }}
{{- $values := $root.Values }}
{{- $image := ternary $values.echo.image $values.image (eq $mode "echo") }}
- name: {{ $name }}
  image: {{ include "twister2-job.image" $root | quote }}
  imagePullPolicy: {{ $image.pullPolicy | quote }}
  {{- if eq $mode "echo" }}
  command:
    - python3
    - /etc/twister2-job/echo_worker.py
  args:
    - {{ .group.firstWorker | quote }}
    - {{ .group.workersPerPod | quote }}
    - {{ .group.index | quote }}
    {{- range $root.Job.ports }}
    - {{ printf "%s=%s" .name (include "twister2-job.portNumber" (dict "root" $root "container" $container "port" .)) | quote }}
    {{- end }}
  {{- else if eq $mode "twister2" }}
  {{- include "twister2-job.start" . | trim | nindent 2 }}
  {{- else }}
  {{- with $values.command }}
  command:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $values.args }}
  args:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- end }}
  env:
    {{- include "twister2-job.identity" (dict "root" $root "container" $name) | trim | nindent 4 }}
    - name: WORKER_PORT
      value: {{ $workerPort | quote }}
    - name: TWISTER2_JOB_ADDRESSES_FILE
      value: /run/twister2-job/addresses.json
    {{- if eq $mode "twister2" }}
    {{- include "twister2-job.environment" (dict "root" $root "starter" "worker.K8sWorkerStarter" "heap" .group.heap) | trim | nindent 4 }}
    {{- end }}
    {{- with $values.env }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with $values.envFrom }}
  envFrom:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  ports:
    {{- range $root.Job.ports }}
    {{- $port := dict "root" $root "container" $container "port" . }}
    - name: {{ include "twister2-job.portName" $port | quote }}
      containerPort: {{ include "twister2-job.portNumber" $port }}
      protocol: {{ .protocol | quote }}
    {{- end }}
  {{- if $values.readinessProbe }}
  readinessProbe:
    {{- toYaml $values.readinessProbe | nindent 4 }}
  {{- else if eq $mode "echo" }}
  readinessProbe:
    tcpSocket:
      port: {{ $workerPort }}
    periodSeconds: 1
  {{- end }}
  {{- with $values.livenessProbe }}
  livenessProbe:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $values.startupProbe }}
  startupProbe:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $root.Job.lifecycle }}
  lifecycle:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .group.containerResources }}
  resources:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $values.securityContext }}
  securityContext:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  volumeMounts:
    {{- include "twister2-job.workerMounts" $root | nindent 4 }}
{{- end }}

{{- /* Environment variables that say which container of which pod this is, as list items. Arguments: dict "root" $ "container" NAME */}}
{{- define "twister2-job.identity" -}}
- name: JOB_ID
  value: {{ .root.Release.Name | quote }}
- name: POD_NAME
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
- name: HOST_IP
  valueFrom:
    fieldRef:
      fieldPath: status.hostIP
- name: HOST_NAME
  valueFrom:
    fieldRef:
      fieldPath: spec.nodeName
- name: CONTAINER_NAME
  value: {{ .container | quote }}
{{- end }}

{{- /* Where the volumes of a worker's pod are mounted in it, as list items; `$` is the argument. */}}
{{- define "twister2-job.workerMounts" -}}
{{- $own := list (dict "name" "addresses" "mountPath" "/run/twister2-job" "readOnly" true) }}
{{- if eq .Job.mode "echo" }}
{{- $own = append $own (dict "name" "echo" "mountPath" "/etc/twister2-job" "readOnly" true) }}
{{- else if eq .Job.mode "twister2" }}
{{- $package := dict }}
{{- include "twister2-job.setPackageMounts" (dict "into" $package) }}
{{- $own = concat $own $package.mounts }}
{{- end }}
{{- $own = concat $own .Job.persistent.mounts }}
{{- include "twister2-job.withTmp" (dict "tmp" (dict "name" "tmp" "mountPath" "/tmp") "key" "mountPath" "own" $own "user" .Values.extraVolumeMounts) }}
{{- end }}

{{- /*
Volumes of a worker's pod, as list items. The addresses are a volume, not an environment variable: what the wrapper
writes reaches running workers. Arguments: dict "root" $ "group" GROUP
*/}}
{{- define "twister2-job.workerVolumes" -}}
{{- $root := .root }}
{{- $own := list (dict "name" "addresses" "configMap" (dict "name" (include "twister2-job.name.addresses" $root) "optional" true)) }}
{{- if eq $root.Job.mode "echo" }}
{{- $own = append $own (dict "name" "echo" "configMap" (dict "name" (include "twister2-job.name.echo" $root))) }}
{{- else if eq $root.Job.mode "twister2" }}
{{- $package := dict }}
{{- include "twister2-job.setPackageVolumes" (dict "root" $root "disk" (mulf .group.disk .group.workersPerPod) "into" $package) }}
{{- $own = concat $own $package.volumes }}
{{- end }}
{{- $own = concat $own $root.Job.persistent.volumes }}
{{- include "twister2-job.withTmp" (dict "tmp" (dict "name" "tmp" "emptyDir" dict) "key" "name" "own" $own "user" $root.Values.extraVolumes) }}
{{- end }}
