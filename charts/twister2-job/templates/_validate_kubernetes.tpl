{{- /* What the API server would refuse, or a pod never get past, and the schema can't say; see _validate.tpl. */}}

{{- define "twister2-job.validate.cidrs" -}}
{{- $problems := list }}
{{- range $k, $cidr := .Values.networkPolicy.allowFrom }}
{{- with include "twister2-job.cidrProblem" (toString $cidr) }}
{{- $problems = append $problems (printf "networkPolicy.allowFrom[%d]: %v %s" $k $cidr .) }}
{{- end }}
{{- end }}
{{- dict "problems" $problems | toJson }}
{{- end }}

{{- /* What is wrong with a CIDR, and the remedy; empty if nothing is. Its address is looked at as a text of 0 and 1. */}}
{{- define "twister2-job.cidrProblem" -}}
{{- $octet := "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])" }}
{{- $ipv4 := printf "(%s[.]){3}%s$" $octet $octet }}
{{- $address := regexReplaceAll "/[^/]*$" . "" }}
{{- $length := trimPrefix "/" (regexFind "/[^/]*$" .) }}
{{- $bits := "" }}
{{- $whole := 32 }}
{{- if regexMatch (print "^" $ipv4) $address }}
{{- range splitList "." $address }}
{{- $bits = printf "%s%08b" $bits (int .) }}
{{- end }}
{{- else }}
{{- $whole = 128 }}
{{- $groups := regexReplaceAll $ipv4 $address "" }}
{{- $end := list }}
{{- with regexFind (print ":" $ipv4) $address }}
{{- range splitList "." (trimPrefix ":" .) }}
{{- $end = append $end (printf "%02x" (int .)) }}
{{- end }}
{{- $groups = printf "%s%s%s:%s%s" $groups (index $end 0) (index $end 1) (index $end 2) (index $end 3) }}
{{- end }}
{{- $halves := splitList "::" $groups }}
{{- $missing := sub 8 (len (compact (splitList ":" $groups))) | int }}
{{- $right := and (eq (len $halves) 2) (gt $missing 0) | or (and (eq (len $halves) 1) (eq $missing 0)) }}
{{- if and $right (regexMatch "^(([0-9A-Fa-f]{1,4}:)*[0-9A-Fa-f]{1,4})?(::(([0-9A-Fa-f]{1,4}:)*[0-9A-Fa-f]{1,4})?)?$" $groups) }}
{{- range $groups | replace "::" (printf ":%s" (repeat $missing "0:")) | splitList ":" | compact }}
{{- $bits = printf "%s%016b" $bits (int64 (print "0x" .)) }}
{{- end }}
{{- end }}
{{- end }}
{{- if or (ne (len $bits) $whole) (not (regexMatch "^(0|[1-9][0-9]{0,2})$" $length)) (gt (int $length) $whole) }}
{{- "is no CIDR; write one such as 203.0.113.0/24 or 2001:db8::/32" }}
{{- else if hasPrefix (print (repeat 80 "0") (repeat 16 "1")) $bits }}
{{- "is IPv4 written as IPv6, which Kubernetes refuses; write it as IPv4, such as 203.0.113.0/24" }}
{{- else if contains "1" (substr (int $length) $whole $bits) }}
{{- $network := list }}
{{- $kept := print (substr 0 (int $length) $bits) (repeat (int (sub $whole $length)) "0") }}
{{- $width := ternary 8 16 (eq $whole 32) }}
{{- range $at := untilStep 0 $whole $width }}
{{- $network = append $network (printf (ternary "%d" "%x" (eq $whole 32)) (int64 (print "0b" (substr $at (int (add $at $width)) $kept)))) }}
{{- end }}
{{- printf "has bits set beyond its first %s, which Kubernetes refuses; write %s/%s for the whole network, or %s/%d for the one address" $length (join (ternary "." ":" (eq $whole 32)) $network) $length $address $whole }}
{{- end }}
{{- end }}

{{- /* Annotations of one object: 256 KiB at most, of which Helm and the chart get 1 KiB where they have some too. */}}
{{- define "twister2-job.validate.annotations" -}}
{{- $problems := list }}
{{- $maps := dict "podAnnotations" .Values.podAnnotations }}
{{- range $block := list "serviceAccount" "headless" "nodePort" "perWorker" }}
{{- $_ := set $maps (print $block ".annotations") (get (index $.Values $block | default dict) "annotations") }}
{{- end }}
{{- range $id, $own := .Values.perWorker.overrides }}
{{- $_ := set $maps (printf "perWorker.overrides.%s.annotations" $id) (merge dict ($own.annotations | default dict) $.Values.perWorker.annotations) }}
{{- end }}
{{- range $path, $found := $maps }}
{{- $map := $found | default dict }}
{{- $size := len (join "" (concat (keys $map) (values $map))) }}
{{- $most := ternary 262144 261120 (eq $path "podAnnotations") }}
{{- if gt $size $most }}
{{- $problems = append $problems (printf "%s: keys and values are %d bytes long, and Kubernetes takes 256 KiB for one object, of which %d bytes are left here; put long texts into a ConfigMap" $path $size $most) }}
{{- end }}
{{- end }}
{{- dict "problems" $problems | toJson }}
{{- end }}

{{- /* A pod has a label of its StatefulSet's name, - and up to 10 digits; above 63 characters it is never made. */}}
{{- define "twister2-job.validate.groupNames" -}}
{{- $problems := list }}
{{- $name := printf "%s-%d" .Release.Name (len .Values.computeResources) }}
{{- if and (le (len .Release.Name) 49) (gt (len $name) 52) }}
{{- $problems = append $problems (printf "computeResources: StatefulSet %s of the last group has a name of %d characters, and with more than 52 Kubernetes can't make its pods; take a release name of at most %d characters, or fewer groups" $name (len $name) (sub 52 (sub (len $name) (len .Release.Name)))) }}
{{- end }}
{{- dict "problems" $problems | toJson }}
{{- end }}
