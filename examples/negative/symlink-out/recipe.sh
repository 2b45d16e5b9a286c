# A link that would show the host's own files to the author of a pull request.
ln -s /etc/hostname host.yaml
