{{- /*
The user's maps and lists beside the chart's: each key once. What the job is found by, or what Twister2 counts on, is the
chart's own and refused; all else takes the place of the chart's. Helm 4 would be refused by the API server for a name
that is there twice, and Helm 3 lose one of the two later.
*/}}
{{- define "twister2-job.validate.names" -}}
{{- $problems := dict }}
{{- $values := .Values }}
{{- $labels := dict "commonLabels" $values.commonLabels "podLabels" $values.podLabels "headless.labels" $values.headless.labels "persistence.labels" $values.persistence.labels }}
{{- include "twister2-job.exposedMaps" (dict "root" . "key" "labels" "into" $labels) }}
{{- range $rule := list
  (dict "maps" $labels "own" "^(app[.]kubernetes[.]io/(name|instance|component|managed-by)|helm[.]sh/chart|t2-.*|twister2-job/.*|(statefulset|apps)[.]kubernetes[.]io/.*|controller-revision-hash)$" "whose" "the chart's own, by which the job's objects are found")
  (dict "maps" .Job.annotations "own" "^(twister2-job|meta[.]helm[.]sh)/" "whose" "the chart's or Helm's own")
}}
{{- range $path, $map := $rule.maps }}
{{- range $key, $value := $map }}
{{- if regexMatch $rule.own $key }}
{{- $_ := set $problems (printf "%s: %s is %s; leave it out" $path $key $rule.whose) true }}
{{- else if not (kindIs "string" $value) }}
{{- $_ := set $problems (printf "%s: the value of %s is no text; put quotes around it" $path $key) true }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- $variables := list "JOB_ID" "POD_NAME" "HOST_IP" "HOST_NAME" "CONTAINER_NAME" "WORKER_PORT" "TWISTER2_JOB_ADDRESSES_FILE" }}
{{- $volumes := list "addresses" }}
{{- $places := list "/run/twister2-job" }}
{{- if eq .Job.mode "twister2" }}
{{- $contract := dict }}
{{- include "twister2-job.setContract" (dict "root" . "starter" "" "heap" 0 "into" $contract) }}
{{- $variables = concat $variables (keys $contract | sortAlpha) (list "TWISTER2_JOB_URL" "TWISTER2_JOB_PIECES") }}
{{- $volumes = concat $volumes (list "twister2-memory-dir" "twister2-volatile-dir" "twister2-job-package" "twister2-job-pieces") }}
{{- $places = concat $places (list "/etc/twister2-job" "/twister2-memory-dir" "/twister2-volatile" "/run/twister2-job-pieces") }}
{{- else if eq .Job.mode "echo" }}
{{- $volumes = append $volumes "echo" }}
{{- $places = append $places "/etc/twister2-job" }}
{{- end }}
{{- if $values.persistence.enabled }}
{{- $volumes = append $volumes "persistent-volume" }}
{{- $places = append $places "/persistent" }}
{{- end }}
{{- $containers := list "job-package" "twister2-job-master-0" }}
{{- range $group := .Job.groups }}
{{- range $container := until $group.workersPerPod }}
{{- $containers = append $containers (printf "twister2-container-%d" $container) | uniq }}
{{- end }}
{{- end }}
{{- $sidecars := dict }}
{{- include "twister2-job.namesOf" (dict "items" $values.sidecars "into" $sidecars) }}
{{- $extraVolumes := dict }}
{{- include "twister2-job.namesOf" (dict "items" $values.extraVolumes "into" $extraVolumes) }}
{{- range $rule := list
  (dict "path" "env" "items" $values.env "key" "name" "own" $variables "what" "environment variable")
  (dict "path" "extraVolumes" "items" $values.extraVolumes "key" "name" "own" $volumes "what" "volume")
  (dict "path" "extraVolumeMounts" "items" $values.extraVolumeMounts "key" "mountPath" "own" $places "what" "volume mount")
  (dict "path" "sidecars" "items" $values.sidecars "key" "name" "own" $containers "what" "container")
  (dict "path" "initContainers" "items" $values.initContainers "key" "name" "own" (concat $containers (keys $sidecars)) "what" "container")
  (dict "path" "imagePullSecrets" "items" $values.imagePullSecrets "key" "name" "own" list "what" "Secret")
}}
{{- $seen := dict }}
{{- range $index, $item := $rule.items }}
{{- $name := "" }}
{{- if kindIs "map" $item }}
{{- $name = get $item $rule.key | toString }}
{{- end }}
{{- if ne $name "/" }}
{{- $name = trimSuffix "/" $name }}
{{- end }}
{{- $path := printf "%s[%d].%s" $rule.path $index $rule.key }}
{{- if not $name }}
{{- $_ := set $problems (printf "%s: it is missing; give it one" $path) true }}
{{- else if has $name $rule.own }}
{{- $_ := set $problems (printf "%s: the pods have a %s %s of the chart's own; take another name or leave it out" $path $rule.what $name) true }}
{{- else if hasKey $seen $name }}
{{- $_ := set $problems (printf "%s: %s is there twice, in %s too; leave one" $path $name (get $seen $name)) true }}
{{- end }}
{{- $_ := set $seen $name $path }}
{{- end }}
{{- end }}
{{- /* Volumes of all pods of the job; the job master has no addresses. */}}
{{- $mountable := concat (without $volumes (ternary "addresses" "" (eq .Job.mode "twister2"))) (keys $extraVolumes) (list "tmp") }}
{{- range $index, $mount := $values.extraVolumeMounts }}
{{- if kindIs "map" $mount }}
{{- $name := get $mount "name" | toString }}
{{- if not $name }}
{{- $_ := set $problems (printf "extraVolumeMounts[%d].name: it is missing; name a volume" $index) true }}
{{- else if not (has $name $mountable) }}
{{- $_ := set $problems (printf "extraVolumeMounts[%d].name: there is no volume %s in the pods; add it to extraVolumes" $index $name) true }}
{{- end }}
{{- end }}
{{- end }}
{{- include "twister2-job.problems" $problems }}
{{- end }}

{{- /* Sets the names in a list of maps as keys. Arguments: dict "items" LIST "into" DICT */}}
{{- define "twister2-job.namesOf" -}}
{{- range .items }}
{{- if kindIs "map" . }}
{{- $_ := set $.into (get . "name" | toString) true }}
{{- end }}
{{- end }}
{{- end }}
