INSERT INTO tickets (subject) VALUES ('mouse'), (NULL);
UPDATE tickets SET subject = 'printers' WHERE id = 1;
INSERT INTO prices (id) VALUES (2), (3);
UPDATE prices SET net = 1 WHERE id = 1;
UPDATE prices SET net = 100 WHERE id = 3;
