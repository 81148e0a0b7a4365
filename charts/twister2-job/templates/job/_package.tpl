{{- /*
How a Twister2 job's classes come into its pods, and what Twister2's start script finds there. The init container makes
the package, so that it says what the values say.
*/}}

{{- /* What the package is made of, as JSON. */}}
{{- define "twister2-job.plan" -}}
{{- $job := .Values.job }}
{{- $source := .Job.source }}
{{- $found := .Job.groups }}
{{- $groups := list }}
{{- range $found }}
{{- $scalable := and (ne $job.driver "") (eq (int .index) (sub (len $found) 1)) }}
{{- $groups = append $groups (dict "instances" (int .instances) "workersPerPod" (int .workersPerPod) "cpu" (float64 .cpu) "ram" (int .ram) "disk" (float64 .disk) "scalable" $scalable) }}
{{- end }}
{{- $ports := list }}
{{- range .Values.additionalPorts }}
{{- $ports = append $ports .name }}
{{- end }}
{{- $plan := dict "job" .Release.Name "jobName" ($job.name | default .Release.Name) "namespace" .Release.Namespace }}
{{- $plan = merge $plan (dict "class" $job.class "driver" $job.driver "groups" $groups "config" $job.config "additionalPorts" $ports) }}
{{- $plan = merge $plan (dict "workerPort" (int .Values.workerPort) "masterPort" (int $job.master.port) "source" $source "submissionTime" $job.submissionTime) }}
{{- if .Values.persistence.enabled }}
{{- $_ := set $plan "persistent" true }}
{{- end }}
{{- set $plan "sha256" ((index $job $source).sha256 | default "" | lower) | toJson }}
{{- end }}

{{- /* The init container, as a list item. Arguments: dict "root" $ "resources" RESOURCES "publish" BOOLEAN */}}
{{- define "twister2-job.packageContainer" -}}
{{- $values := .root.Values }}
{{- $files := index $values.job .root.Job.source }}
- name: job-package
  image: {{ include "twister2-job.image" .root | quote }}
  imagePullPolicy: {{ $values.image.pullPolicy | quote }}
  command:
    - python3
    - /etc/twister2-job/job_package.py
    - /etc/twister2-job/plan.json
    - /twister2-memory-dir
    {{- if .publish }}
    - --publish
    {{- end }}
  env:
    {{- if $files.configMaps }}
    - name: TWISTER2_JOB_PIECES
      value: /run/twister2-job-pieces
    {{- else }}
    - name: TWISTER2_JOB_URL
      {{- if get ($files.urlSecret | default dict) "name" }}
      valueFrom:
        secretKeyRef:
          name: {{ $files.urlSecret.name | quote }}
          key: {{ $files.urlSecret.key | quote }}
      {{- else }}
      value: {{ $files.url | quote }}
      {{- end }}
    {{- end }}
    {{- with $values.env }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with $values.envFrom }}
  envFrom:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  # What it says last becomes the reason that Kubernetes shows.
  terminationMessagePolicy: FallbackToLogsOnError
  resources:
    {{- toYaml .resources | nindent 4 }}
  {{- with $values.securityContext }}
  securityContext:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  volumeMounts:
    - name: twister2-job-package
      mountPath: /etc/twister2-job
      readOnly: true
    - name: twister2-memory-dir
      mountPath: /twister2-memory-dir
    {{- if $files.configMaps }}
    - name: twister2-job-pieces
      mountPath: /run/twister2-job-pieces
      readOnly: true
    {{- end }}
    {{- with $values.extraVolumeMounts }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end }}

{{- /* Sets `volumes`, which every pod of a Twister2 job has. Arguments: dict "root" $ "disk" GIB "into" DICT */}}
{{- define "twister2-job.setPackageVolumes" -}}
{{- $files := index .root.Values.job .root.Job.source }}
{{- $size := dict }}
{{- if gt (float64 .disk) 0.0 }}
{{- $_ := set $size "sizeLimit" (printf "%dMi" (int (mulf .disk 1024))) }}
{{- end }}
{{- $volumes := list
  (dict "name" "twister2-memory-dir" "emptyDir" (dict "medium" "Memory"))
  (dict "name" "twister2-volatile-dir" "emptyDir" $size)
  (dict "name" "twister2-job-package" "configMap" (dict "name" (include "twister2-job.name.package" .root))) }}
{{- $sources := list }}
{{- range $number, $name := $files.configMaps }}
{{- $item := dict "key" "jar" "path" (printf "%04d" $number) }}
{{- $sources = append $sources (dict "configMap" (dict "name" $name "items" (list $item))) }}
{{- end }}
{{- if $sources }}
{{- $volumes = append $volumes (dict "name" "twister2-job-pieces" "projected" (dict "sources" $sources)) }}
{{- end }}
{{- $_ := set .into "volumes" $volumes }}
{{- end }}

{{- /* Sets `mounts`, those of its program. Arguments: dict "into" DICT */}}
{{- define "twister2-job.setPackageMounts" -}}
{{- $mounts := list
  (dict "name" "twister2-memory-dir" "mountPath" "/twister2-memory-dir")
  (dict "name" "twister2-volatile-dir" "mountPath" "/twister2-volatile") }}
{{- $_ := set .into "mounts" $mounts }}
{{- end }}

{{- /* How Twister2 is started, as fields of a container. The size of the package is not known before it is made. */}}
{{- define "twister2-job.start" -}}
command:
  - /bin/bash
args:
  - -c
  - . "$POD_MEMORY_VOLUME/package.env" && exec ./init.sh
workingDir: /twister2
{{- end }}

{{- /*
Environment variables of job master and workers, as list items; a worker has some from its own template too.
Arguments: dict "root" $ "starter" CLASS "heap" MIB
*/}}
{{- define "twister2-job.environment" -}}
{{- $contract := dict }}
{{- include "twister2-job.setContract" (dict "root" .root "starter" .starter "heap" .heap "into" $contract) }}
{{- range $name, $value := $contract }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- end }}

{{- /* Sets the same. Arguments: the same, and "into" DICT */}}
{{- define "twister2-job.setContract" -}}
{{- $contract := dict
  "CLASS_TO_RUN" (printf "edu.iu.dsc.tws.rsched.schedulers.k8s.%s" .starter)
  "JVM_MEMORY_MB" (.heap | int | toString)
  "POD_MEMORY_VOLUME" "/twister2-memory-dir"
  "JOB_ARCHIVE_DIRECTORY" "twister2-job"
  "JOB_PACKAGE_FILENAME" (printf "%s.tar.gz" .root.Release.Name)
  "LOGGER_PROPERTIES_FILE" "common/logger.properties"
  "UPLOAD_METHOD" "client-to-pods"
  "JOB_SUBMISSION_TIME" .root.Values.job.submissionTime
  "RESTORE_JOB" (toString .root.Values.job.restore)
  "ENCODED_NODE_INFO_LIST" "" }}
{{- include "twister2-job.setUnion" (dict "maps" (list $contract) "into" .into) }}
{{- end }}
