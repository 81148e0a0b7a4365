# Unpacks the job package, as the script of that duty in Twister2 0.8.0's image does: the pod's first container waits
# until the file has its full size and unpacks it; the others wait for the flag that the first one sets.
# Sets `job`, the folder of the job's files. A function `adapt`, if there is one, is run before the flag is set.
job="$POD_MEMORY_VOLUME/$JOB_ARCHIVE_DIRECTORY"
flag="$POD_MEMORY_VOLUME/unpack-complete.txt"
if [[ $UPLOAD_METHOD != client-to-pods ]]; then
  echo "UPLOAD_METHOD is $UPLOAD_METHOD; this image knows client-to-pods alone." >&2
  exit 1
fi
if [[ $CONTAINER_NAME == *-0 ]]; then
  package="$POD_MEMORY_VOLUME/$JOB_PACKAGE_FILENAME"
  until [[ $(stat -c %s "$package" 2>/dev/null) == "$JOB_PACKAGE_FILE_SIZE" ]]; do sleep 0.05; done
  tar -xzf "$package" -C "$POD_MEMORY_VOLUME" || exit 1
  if declare -F adapt >/dev/null; then adapt; fi
  echo "unpacked" >> "$flag"
else
  until [[ -e $flag ]]; do sleep 0.05; done
fi
