# A file that an old editor saved as Latin-1: the u with two dots is the one byte 0xfc.
printf 'apiVersion: gitops/v2\nkind: Group\nmetadata: {name: kuechen, title: K\374chen}\n' > groups.yaml
