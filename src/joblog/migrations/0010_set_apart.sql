-- Files that were set apart, by what the file system calls them: a person may move one back into the folder, by any name.
CREATE INDEX job_set_apart ON job (account, inode) WHERE place IN ('held', 'failed');
