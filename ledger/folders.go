package ledger

// Folders are all folders that the ledger has seen, of partners that have left the config
// too. There are as many as partners.
func (tx *Tx) Folders() ([]Folder, error) {
	return all[Folder](tx, `SELECT body FROM folders ORDER BY partner`)
}
