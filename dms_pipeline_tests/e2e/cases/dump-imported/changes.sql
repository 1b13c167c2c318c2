-- A dump as the servers' dump programs write it, read in by a client that keeps comments.
/*!40101 SET @OLD_CHARACTER_SET_CLIENT=@@CHARACTER_SET_CLIENT */;
/*!40101 SET NAMES utf8mb4 */;
/*!40014 SET @OLD_FOREIGN_KEY_CHECKS=@@FOREIGN_KEY_CHECKS, FOREIGN_KEY_CHECKS=0 */;
DROP TABLE IF EXISTS `order items`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
CREATE TABLE `order items` (
  `order-id` mediumint unsigned NOT NULL,
  `line` smallint(5) unsigned NOT NULL DEFAULT '1' COMMENT 'counts from 1; see `orders` (x, y)',
  `product` varchar(40) CHARACTER SET latin1 NOT NULL DEFAULT '',
  `price` decimal(10,2) DEFAULT '0.00',
  `size` enum('S','M','L, tall') DEFAULT 'M',
  `tags` set('new','sale','gift') DEFAULT NULL,
  /*!50100 `note` text, */
  PRIMARY KEY (`order-id`,`line`),
  KEY `product` (`product`(10)),
  CONSTRAINT `of_order` FOREIGN KEY (`order-id`) REFERENCES `orders` (`order_id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 /*!50100 COMMENT='lines; of -- orders' */;
LOCK TABLES `order items` WRITE;
/*!40000 ALTER TABLE `order items` DISABLE KEYS */;
INSERT INTO `order items` VALUES (1,1,'Käse',3.50,'S','new,gift','it''s \"ripe\"\n'),(1,2,'Brot',2.00,'L, tall','',NULL);
/*!40000 ALTER TABLE `order items` ENABLE KEYS */;
UNLOCK TABLES;
DROP TABLE IF EXISTS `orders`;
CREATE TABLE IF NOT EXISTS `orders` (
  `order_id` mediumint unsigned NOT NULL AUTO_INCREMENT,
  `shop_id` tinyint unsigned NOT NULL,
  `is_paid` bit(1) NOT NULL DEFAULT b'0',
  `placed` datetime NOT NULL DEFAULT '0000-00-00 00:00:00',
  `place` point DEFAULT NULL,
  PRIMARY KEY (`order_id`), UNIQUE KEY `once` (`shop_id`,`placed`),
  FULLTEXT KEY `words` (`comment`), `comment` varchar(50) DEFAULT NULL
) ENGINE=InnoDB AUTO_INCREMENT=7 DEFAULT CHARSET=utf8mb4;
LOCK TABLES `orders` WRITE;
INSERT INTO `orders` VALUES (1,1,b'1','2024-02-29 12:00:00',ST_GeomFromText('POINT(1 2)'),'first');
UNLOCK TABLES;
/*!50001 CREATE TABLE `paid` (`order_id` tinyint NOT NULL) ENGINE=MyISAM */;
/*!50001 DROP TABLE IF EXISTS `paid` */;
/*!50001 CREATE VIEW `paid` AS SELECT `order_id` FROM `orders` WHERE `is_paid` */;
/*!50003 CREATE TRIGGER `ordered` AFTER INSERT ON `orders` FOR EACH ROW BEGIN
  INSERT INTO `order items` (`order-id`, `product`) VALUES (new.order_id, 'bag');
END */;
CREATE PROCEDURE take_order(IN shop tinyint unsigned, OUT taken mediumint unsigned)
BEGIN
    CREATE TEMPORARY TABLE lately (order_id mediumint unsigned PRIMARY KEY);
    INSERT INTO orders (shop_id, placed) VALUES (shop, '2024-03-01 08:00:00');
    SET taken = last_insert_id();
    INSERT INTO lately VALUES (taken);
    UPDATE `order items` JOIN lately ON `order-id` = order_id SET note = 'new';
    DROP TEMPORARY TABLE lately;
END;
/*!40014 SET FOREIGN_KEY_CHECKS=@OLD_FOREIGN_KEY_CHECKS */;
/*!40101 SET CHARACTER_SET_CLIENT=@OLD_CHARACTER_SET_CLIENT */;

-- The imported tables in use.
CALL take_order(2, @taken);
INSERT INTO orders (order_id, shop_id, placed) VALUES (@taken, 1, '2024-03-02 00:00:00')
    ON DUPLICATE KEY UPDATE comment = 'again', is_paid = 1;
CREATE TABLE orders_kept LIKE orders;
INSERT INTO orders_kept SELECT * FROM orders;
CREATE TABLE totals (total decimal(12,2)) AS
    SELECT `order-id` AS id, sum(price) AS total FROM `order items` GROUP BY `order-id`;
REPLACE INTO `order items` (`order-id`, line, product) VALUES (1, 2, 'Weißbrot');
DELETE items FROM `order items` items JOIN orders ON `order-id` = order_id WHERE is_paid AND line = 1;
UPDATE shops SET shop_id = shop_id + 10 ORDER BY shop_id DESC;
