{{- /* What Kubernetes would refuse and the schema can't say; see _validate.tpl. */}}
{{- define "twister2-job.validate.kubernetes" -}}
{{- include "twister2-job.cidrProblems" (dict "networkPolicy.allowFrom" .Values.networkPolicy.allowFrom "networkPolicy.egress.apiServerCidrs" .Values.networkPolicy.egress.apiServerCidrs) }}
{{- $peers := dict }}
{{- range $k, $peer := .Values.networkPolicy.proxiesFrom }}
{{- $_ := set $peers (printf "proxiesFrom[%d]" $k) $peer }}
{{- end }}
{{- range $k, $rule := .Values.networkPolicy.egress.rules }}
{{- range $l, $peer := kindIs "slice" (index $rule "to") | ternary (index $rule "to") list }}
{{- $_ := set $peers (printf "egress.rules[%d].to[%d]" $k $l) $peer }}
{{- end }}
{{- end }}
{{- range $path, $peer := $peers }}
{{- if kindIs "map" $peer }}
{{- if kindIs "map" (index $peer "ipBlock") }}
{{- $except := index $peer.ipBlock "except" }}
{{- $cidrs := dict "cidr" $peer.ipBlock.cidr }}
{{- range $m, $cidr := kindIs "slice" $except | ternary $except list }}
{{- $_ := set $cidrs (printf "except[%d]" $m) $cidr }}
{{- end }}
{{- range $key, $cidr := $cidrs }}
{{- with include "twister2-job.cidrProblem" (toString $cidr) }}
{{ printf "networkPolicy.%s.ipBlock.%s: %v %s" $path $key $cidr . }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- /* Of the 256 KiB that Kubernetes takes for one object 1 is left to Helm and the chart. */}}
{{- range $path, $map := .Job.annotations }}
{{- /* The Service of a worker with overrides has the annotations of all workers too. */}}
{{- if contains ".overrides." $path }}
{{- $map = merge dict $map (get $.Job.annotations (regexReplaceAll "overrides[.].*" $path "annotations")) }}
{{- end }}
{{- $size := 0 }}
{{- range $key, $value := $map }}
{{- $size = add $size (len $key) (len (toString $value)) }}
{{- end }}
{{- if gt $size 261120 }}
{{ printf "%s: keys and values are %d bytes long, above 261120; put long texts into a ConfigMap" $path $size }}
{{- end }}
{{- end }}
{{- /* A label of each pod is the StatefulSet's name and up to 11 characters, together at most 63. */}}
{{- $name := printf "%s-%d" .Release.Name (len .Values.computeResources) }}
{{- if and (le (len .Release.Name) 49) (gt (len $name) 52) }}
{{ printf "computeResources: StatefulSet %s would have a name of %d characters, and above 52 Kubernetes refuses the pods; take a shorter release name or fewer groups" $name (len $name) }}
{{- end }}
{{- if and (eq .Values.dnsPolicy "None") (not .Values.dnsConfig.nameservers) }}
{{ "dnsPolicy: with None the pods have no name server but those of dnsConfig.nameservers; set it, or take another policy" }}
{{- end }}
{{- /* toYaml makes nothing of one of these, and YAML a blank of another. */}}
{{- range $key, $value := .Values }}
{{- if regexMatch "[\\x{7f}-\\x{9f}\\x{fffe}\\x{ffff}]" (toJson $value) }}
{{ printf "%s: a text in it holds a character that is lost on the way to Kubernetes (U+007F to U+009F, U+FFFE or U+FFFF); leave it out" $key }}
{{- end }}
{{- end }}
{{- end }}

{{- /* Problems of lists of CIDRs. Argument: dict of them by their paths */}}
{{- define "twister2-job.cidrProblems" -}}
{{- range $path, $cidrs := . }}
{{- range $k, $cidr := $cidrs }}
{{- with include "twister2-job.cidrProblem" (toString $cidr) }}
{{ printf "%s[%d]: %v %s" $path $k $cidr . }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- /* What is wrong with a CIDR, whose address is made a text of 0 and 1; empty if nothing is. */}}
{{- define "twister2-job.cidrProblem" -}}
{{- $octet := "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])" }}
{{- $ipv4 := printf "(^|:)(%s[.]){3}%s/" $octet $octet }}
{{- $length := regexFind "[^/]*$" . }}
{{- $address := trimSuffix (print "/" $length) . }}
{{- $groups := regexReplaceAll $ipv4 . ":0:0/" | trimSuffix (print "/" $length) }}
{{- $bits := "" }}
{{- range regexFind $ipv4 . | trimAll ":/" | splitList "." | compact }}
{{- $bits = printf "%s%08b" $bits (int .) }}
{{- end }}
{{- $whole := 32 }}
{{- if ne $groups ":0:0" }}
{{- $whole = 128 }}
{{- $first := "" }}
{{- $missing := int (sub 8 (len (compact (splitList ":" $groups)))) }}
{{- $part := "([0-9A-Fa-f]{1,4}(:[0-9A-Fa-f]{1,4})*)?" }}
{{- if and (regexMatch (printf "^%s(::%s)?$" $part $part) $groups) (ternary (gt $missing 0) (eq $missing 0) (contains "::" $groups)) }}
{{- range $groups | replace "::" (printf ":%s" (repeat $missing "0:")) | splitList ":" | compact }}
{{- $first = printf "%s%016b" $first (int64 (print "0x" .)) }}
{{- end }}
{{- end }}
{{- $bits = print (trunc (int (sub 128 (len $bits))) $first) $bits }}
{{- end }}
{{- if or (ne (len $bits) $whole) (not (regexMatch "^(0|[1-9][0-9]{0,2})$" $length)) (gt (int $length) $whole) }}
{{- "is no CIDR; write one such as 203.0.113.0/24 or 2001:db8::/32" }}
{{- else if hasPrefix (print (repeat 80 "0") (repeat 16 "1")) $bits }}
{{- "is IPv4 in IPv6, which Kubernetes refuses; write it as IPv4, such as 203.0.113.0/24" }}
{{- else if contains "1" (substr (int $length) $whole $bits) }}
{{- printf "has bits set beyond its first %s, which Kubernetes refuses; begin with the network's first address, or write %s/%d" $length $address $whole }}
{{- end }}
{{- end }}
